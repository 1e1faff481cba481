"""Where an action happens: the organization, a project, one of its environments, or a service. Pure values.

The nouns above make a place of themselves (`environment.place`); roles and policies are asked about it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

PlaceKind = Literal["organization", "project", "environment", "service"]


@dataclass(frozen=True, slots=True)
class Place:
    """`project` is an id, the others are names. `mode` is known in an environment, also for a service there.

    `team` is the name of the team that owns the project, if one does.
    """

    project: str | None = None
    project_name: str = ""
    team: str | None = None
    environment: str | None = None
    mode: str | None = None
    service: str | None = None

    @property
    def kind(self) -> PlaceKind:
        if self.project is None:
            return "organization"
        if self.environment is not None:
            return "environment"
        return "project" if self.service is None else "service"

    def of_service(self, name: str) -> Place:
        return replace(self, service=name)

    def __str__(self) -> str:
        """As people write it: `shop`, `shop/production`, `shop/production/web`, `shop//web`; "the organization"."""
        if self.project is None:
            return "the organization"
        parts = [self.project_name, self.environment, self.service]
        while parts and parts[-1] is None:
            parts.pop()
        return "/".join(part or "" for part in parts)


ORGANIZATION = Place()

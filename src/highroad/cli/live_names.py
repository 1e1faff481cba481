"""Names of what the installation has, for shell completion.

Called through `command.completed_by`. A completion must never be slow, print or fail, so an installation that does not
answer at once simply has no names.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from highroad.cli.invocation import Invocation
from highroad.errors import HighroadError

if TYPE_CHECKING:
    from highroad.client.api import Client

_PATIENCE = 1.0


def live_names(kind: str, params: Mapping[str, Any], typed: str) -> list[str]:
    """Names that begin with `typed`: of projects, roles, environments, services, processes, releases, and so on."""
    invocation = Invocation(
        url=params.get("url"),
        project=params.get("project"),
        service=params.get("service"),
        environment=params.get("environment"),
    )
    try:
        with invocation.client(timeout=_PATIENCE, patient=False) as client:
            return [name for name in _names(kind, invocation, client) if name.startswith(typed)]
    except HighroadError:
        return []


def _names(kind: str, invocation: Invocation, client: Client) -> Iterable[str]:
    if kind in ("project", "role"):
        return [str(each["name"]) for each in client.items(f"/{kind}s")]
    if kind in ("environment", "service"):
        return [str(each["name"]) for each in client.items(f"{invocation.project_path}/{kind}s")]
    target = invocation.target
    if kind == "process":
        return [str(each["name"]) for each in client.get(target.placement_path).get("processes") or []]
    if kind == "variable":
        items = client.get(f"{target.service_path}/variables", environment=target.environment)["items"]
        return [str(each["name"]) for each in items]
    if kind == "domain":
        return [str(each["host"]) for each in client.items(f"{target.placement_path}/domains")]
    plural = {"release": "releases", "run": "runs"}[kind]
    return [str(each["number"]) for each in client.items(f"{target.service_path}/{plural}", limit=20)]

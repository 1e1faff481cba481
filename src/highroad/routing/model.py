"""Host names and where they lead: pure values, computed by `deployments` and `projects`, executed by the router."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Route:
    """All requests for `host` (without port) go to `upstreams` (`127.0.0.1:20001`, ...), least busy first.

    Without upstreams the router answers 503 with a page that says `message`. `id` is stable for its service and
    environment; several routes may share it. `directory` (absolute, never changing) serves files instead of proxying
    (kind static). `host` is canonical as `hostnames` makes it, perhaps with a leading `*.`; no two routes share one.
    """

    id: str
    host: str
    upstreams: tuple[str, ...] = ()
    directory: str | None = None
    message: str = "This service is not running."


class Router(Protocol):
    """Executed by Caddy in `caddy.py`; the in-memory twin is `memory.py`. Verbs raise `Temporary` or `Permanent`."""

    def apply(self, routes: Sequence[Route]) -> None:
        """Have exactly these routes and the portal's, cutting nothing in flight. Returns when new requests follow them.

        When it raises, requests go where they went before.
        """

    def in_flight(self) -> Mapping[str, int]:
        """Requests now being answered, by upstream address; absent means none."""

    def alive(self) -> bool:
        """Whether the router answers on its admin endpoint."""

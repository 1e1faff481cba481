"""The in-memory twin of the router, for tests of everything above it.

Holds the same rules as Caddy's configuration does (one owner per host), and lets a test play the requests.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from highroad.errors import Permanent, Temporary
from highroad.routing.config import configuration
from highroad.routing.model import Route
from highroad.settings import Settings


class MemoryRouter:
    """Implements `Router`. `applied` holds every set of routes in order; `requests` is what `in_flight` answers."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.applied: list[tuple[Route, ...]] = []
        self.requests: dict[str, int] = {}
        self.down = False

    def apply(self, routes: Sequence[Route]) -> None:
        if self.down:
            raise Temporary("The router is down.")
        # Built to be thrown away: it refuses what Caddy's would refuse.
        configuration(routes, self._settings, {route.directory: () for route in routes if route.directory})
        self.applied.append(tuple(routes))

    def in_flight(self) -> Mapping[str, int]:
        if self.down:
            raise Temporary("The router is down.")
        return {address: count for address, count in self.requests.items() if count > 0}

    def alive(self) -> bool:
        return not self.down

    def route(self, host: str) -> Route:
        """The route that a request for `host` follows now. Raises `Permanent` when there is none."""
        wildcard = f"*.{host.partition('.')[2]}"
        by_host = {route.host: route for route in (self.applied[-1] if self.applied else ())}
        found = by_host.get(host) or by_host.get(wildcard)
        if found is None:
            raise Permanent(f"No route for {host}.")
        return found

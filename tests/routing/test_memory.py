"""The twin refuses what the real router refuses."""

from __future__ import annotations

import pytest

from highroad.errors import Permanent, Temporary
from highroad.routing.memory import MemoryRouter
from highroad.routing.model import Route, Router
from highroad.settings import Settings

WEB = Route("svc", "web.production.shop.localhost", ("127.0.0.1:1",))


@pytest.fixture
def twin(settings: Settings) -> MemoryRouter:
    return MemoryRouter(settings)


def test_the_twin_is_a_router_and_remembers_what_it_was_told(twin: MemoryRouter) -> None:
    router: Router = twin
    router.apply([WEB])
    router.apply([])
    assert twin.applied == [(WEB,), ()]


def test_a_host_leads_to_its_route_or_to_the_wildcard(twin: MemoryRouter) -> None:
    wild = Route("wild", "*.example.org")
    twin.apply([WEB, wild])
    assert twin.route(WEB.host) is WEB
    assert twin.route("a.example.org") is wild
    with pytest.raises(Permanent):
        twin.route("example.org")


def test_contradicting_routes_are_refused_and_change_nothing(twin: MemoryRouter) -> None:
    twin.apply([WEB])
    with pytest.raises(Permanent):
        twin.apply([WEB, WEB])
    assert twin.applied == [(WEB,)]


def test_a_router_that_is_down_says_so(twin: MemoryRouter) -> None:
    twin.down = True
    assert not twin.alive()
    with pytest.raises(Temporary):
        twin.apply([WEB])
    with pytest.raises(Temporary):
        twin.in_flight()


def test_requests_in_flight_are_what_the_test_says(twin: MemoryRouter) -> None:
    twin.requests = {"127.0.0.1:1": 2, "127.0.0.1:2": 0}
    assert twin.in_flight() == {"127.0.0.1:1": 2}

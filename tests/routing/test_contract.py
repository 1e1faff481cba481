"""What every router promises, asked of Caddy and of the twin."""

from __future__ import annotations

import pytest

from highroad.errors import Permanent
from highroad.routing.memory import MemoryRouter
from highroad.routing.model import Route, Router
from highroad.settings import Settings

WEB = Route("svc", "web.production.shop.localhost", ("127.0.0.1:1",))


@pytest.fixture(params=["memory", "caddy"])
def any_router(request: pytest.FixtureRequest, settings: Settings) -> Router:
    if request.param == "memory":
        return MemoryRouter(settings)
    router: Router = request.getfixturevalue("router")
    return router


def test_it_is_alive_and_idle(any_router: Router) -> None:
    assert any_router.alive()
    assert any_router.in_flight() == {}


def test_applying_twice_is_applying_once(any_router: Router) -> None:
    any_router.apply([WEB])
    any_router.apply([WEB])
    any_router.apply([])


@pytest.mark.parametrize("bad", [[WEB, WEB], [Route("x", "localhost")], [Route("x", "no host")]])
def test_routes_that_contradict_are_permanent_and_say_what_to_do(any_router: Router, bad: list[Route]) -> None:
    with pytest.raises(Permanent) as caught:
        any_router.apply(bad)
    assert caught.value.next_step

"""What a change of the routes costs: another version of one app, and one more host name, at 10 and at 200 routes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence

from benchmarks.figures import Figure, summary
from benchmarks.installation import installation
from highroad.routing.caddy import CaddyRouter
from highroad.routing.model import Route
from highroad.settings import load

TIMES = 10
SIZES = (10, 200)
UNUSED_PORT = 29_000


def measure() -> list[Figure]:
    with installation() as here:
        router = CaddyRouter(load(here.data))
        versions = {size: _times(router, _moved, size) for size in SIZES}
        hosts = {size: _times(router, _grown, size) for size in SIZES}
    return [
        _figure("another version of one app", versions),
        _figure("one more host name", hosts),
    ]


def _figure(name: str, seconds: dict[int, list[float]]) -> Figure:
    few, many = SIZES
    return Figure(
        name=f"{name}, {many} routes",
        measured=statistics.median(seconds[many]) * 1000,
        unit="ms",
        peer=statistics.median(seconds[few]) * 1000,
        against=f"with {few}",
        split=summary(seconds[many]),
    )


def _times(router: CaddyRouter, changed: Callable[[int, int], Sequence[Route]], size: int) -> list[float]:
    seconds = []
    router.apply(changed(size, TIMES))
    for number in range(TIMES):
        routes = changed(size, number)
        began = time.perf_counter()
        router.apply(routes)
        seconds.append(time.perf_counter() - began)
    return seconds


def _moved(size: int, number: int) -> list[Route]:
    return [_route(0, UNUSED_PORT + number), *(_route(each, UNUSED_PORT) for each in range(1, size))]


def _grown(size: int, number: int) -> list[Route]:
    return [_route(each, UNUSED_PORT) for each in range(size + number)]


def _route(number: int, port: int) -> Route:
    return Route(f"bench-{number}", f"bench-{number}.production.bench.localhost", (f"127.0.0.1:{port}",))

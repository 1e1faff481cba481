"""Caddy takes routes, keeps them through its own death and that of its caller, and says what it does."""

from __future__ import annotations

import json
import os
import re
import socket
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from highroad.errors import Permanent, Temporary
from highroad.routing.caddy import CaddyRouter, prepare, program
from highroad.routing.model import Route
from highroad.settings import Settings

from .conftest import App, Caddy, until

HOST = "web.production.shop.localhost"


def route(*apps: App, host: str = HOST) -> Route:
    return Route("svc", host, tuple(app.upstream for app in apps))


def loads(caddy: Caddy) -> int:
    """How often Caddy was given a configuration, as it counts itself."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(caddy.settings.run / "caddy-admin.sock"))
        connection.sendall(b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b"")).decode()
    counts = re.findall(r'caddy_admin_http_requests_total\{[^}]*path="/load"\} (\d+)', answer)
    return sum(map(int, counts))


def test_new_requests_follow_new_routes_at_once(caddy: Caddy, router: CaddyRouter, blue: App, green: App) -> None:
    for app in [blue, green] * 5:
        router.apply([route(app)])
        assert caddy.ask(HOST).text == app.name


def test_moving_to_other_instances_loads_nothing(caddy: Caddy, router: CaddyRouter, blue: App, green: App) -> None:
    router.apply([route(blue)])
    router.apply([route(green)])
    assert loads(caddy) == 1
    router.apply([route(green), route(blue, host="other.localhost")])
    assert loads(caddy) == 2


def test_a_new_control_plane_finds_the_routes_and_loads_nothing(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    router.apply([route(blue)])
    CaddyRouter(caddy.settings).apply([route(blue)])
    assert loads(caddy) == 1


def test_requests_are_spread_over_all_instances(caddy: Caddy, router: CaddyRouter, blue: App, green: App) -> None:
    router.apply([route(blue, green)])
    assert {caddy.ask(HOST).text for _ in range(30)} == {"blue", "green"}


def test_a_killed_caddy_comes_back_with_its_routes(caddy: Caddy, router: CaddyRouter, blue: App, green: App) -> None:
    router.apply([route(green)])
    router.apply([route(blue), Route("x", "stopped.localhost", message="Stopped by Ada.")])
    caddy.kill()
    caddy.start()
    assert caddy.ask(HOST).text == "blue"
    assert "Stopped by Ada." in caddy.ask("stopped.localhost").text


def test_requests_made_while_caddy_is_down_are_answered_when_it_is_back(
    caddy: Caddy, router: CaddyRouter, blue: App
) -> None:
    router.apply([route(blue)])
    caddy.kill()
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(caddy.ask, HOST) for _ in range(20)]
        caddy.start()
        assert {each.result(20).text for each in asked} == {"blue"}


def test_applying_waits_for_a_caddy_that_is_coming_back(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    caddy.kill()
    with ThreadPoolExecutor(1) as pool:
        applied = pool.submit(router.apply, [route(blue)])
        caddy.start()
        applied.result(10)
    assert caddy.ask(HOST).text == "blue"


def test_a_caddy_that_stays_away_is_temporary_and_moves_nothing(caddy: Caddy, blue: App, green: App) -> None:
    router = CaddyRouter(caddy.settings, patience=0.1)
    router.apply([route(blue)])
    caddy.kill()
    assert not router.alive()
    with pytest.raises(Temporary):
        router.apply([route(green)])
    with pytest.raises(Temporary):
        router.in_flight()
    caddy.start()
    assert caddy.ask(HOST).text == "blue"
    router.apply([route(green)])
    assert caddy.ask(HOST).text == "green"


def test_a_refused_configuration_leaves_the_routes_as_they_were(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    router.apply([route(blue)])
    with pytest.raises(Permanent):
        router.apply([Route("s", HOST, directory="/nowhere/at/all")])
    assert caddy.ask(HOST).text == "blue"


def test_callers_at_once_end_with_the_newest_routes(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    sets = [[route(blue, host=f"s{number}.localhost") for number in range(count)] for count in range(1, 21)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(router.apply, sets))
    router.apply(sets[-1])
    assert {caddy.ask(each.host).text for each in sets[-1]} == {"blue"}


def test_callers_who_wait_share_one_load(caddy: Caddy, router: CaddyRouter) -> None:
    many = [Route("s", f"s{number}.localhost") for number in range(300)]
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(router.apply, [many[number:] for number in range(12)]))
    assert 1 <= loads(caddy) < 12


def test_requests_in_flight_are_counted_by_instance_even_when_unrouted(
    caddy: Caddy, router: CaddyRouter, blue: App, green: App
) -> None:
    router.apply([route(blue)])
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(caddy.ask, HOST, "/slow")
        assert blue.entered.wait(10)
        router.apply([route(green)])
        router.apply([])
        assert router.in_flight() == {blue.upstream: 1}
        blue.release.set()
        assert slow.result(10).text == "blue"
    until(lambda: router.in_flight() == {})


def test_slots_of_routes_that_went_are_removed(caddy: Caddy, router: CaddyRouter, blue: App, green: App) -> None:
    router.apply([route(blue, green)])
    router.apply([route(green)])
    (left,) = (caddy.settings.run / "upstreams").iterdir()
    assert left.read_text() == green.upstream


def test_the_admin_endpoint_is_for_the_owner_alone(caddy: Caddy, router: CaddyRouter) -> None:
    router.apply([Route("x", "x.localhost")])
    mode = (caddy.settings.run / "caddy-admin.sock").stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def test_a_first_configuration_is_written_once_and_a_broken_one_replaced(settings: Settings) -> None:
    prepare(settings)
    file = settings.run / "caddy.json"
    first = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text(json.dumps(json.loads(first)))
    kept = file.read_bytes()
    prepare(settings)
    assert file.read_bytes() == kept
    file.write_text("{")
    prepare(settings)
    assert file.read_bytes() == first


def test_caddy_writes_nothing_outside_the_data_directory(settings: Settings) -> None:
    how = program(settings)
    homes = [how.env[name] for name in ("HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME")]
    assert all(home.startswith(str(settings.data)) for home in homes)
    assert os.access(how.command[0], os.X_OK)
    assert "SECRET" not in how.env


def test_another_domain_moves_the_portal_but_keeps_localhost(settings: Settings) -> None:
    prepare(replace(settings, domain="paas.example.org"))
    assert '["localhost", "paas.example.org"]' in (settings.run / "caddy.json").read_text()


def test_a_disk_that_takes_no_routes_is_a_temporary_failure(caddy: Caddy, router: CaddyRouter, blue: App) -> None:
    slots = caddy.settings.run / "upstreams"
    aside = slots.rename(slots.with_name("aside"))
    slots.touch()
    with pytest.raises(Temporary, match="cannot be written"):
        router.apply([route(blue)])
    slots.unlink()
    aside.rename(slots)
    router.apply([route(blue)])
    assert caddy.ask(HOST).text == "blue"

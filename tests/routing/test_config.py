"""Caddy's configuration as a value."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from highroad.errors import Permanent
from highroad.routing.config import configuration, fingerprint, shape, slots
from highroad.routing.model import Route
from highroad.settings import Settings

SETTINGS = Settings(Path("/data"))
WEB = Route("svc-web", "web.production.shop.localhost", ("127.0.0.1:20001",))
API = Route("svc-api", "api.production.shop.localhost", ("127.0.0.1:20002", "127.0.0.1:20003"))


def mark(*routes: Route) -> str:
    return fingerprint(configuration(routes, SETTINGS, {}))


def test_the_same_routes_in_another_order_are_the_same_configuration() -> None:
    assert mark(WEB, API) == mark(API, WEB)


def test_other_instances_of_the_same_number_are_the_same_configuration() -> None:
    moved = replace(WEB, upstreams=("127.0.0.1:29999",))
    assert mark(WEB) == mark(moved)
    assert shape([WEB]) == shape([moved])
    assert slots([WEB]) != slots([moved])


@pytest.mark.parametrize(
    "other",
    [
        replace(WEB, upstreams=("127.0.0.1:1", "127.0.0.1:2")),
        replace(WEB, upstreams=()),
        replace(WEB, upstreams=(), message="Stopped by Ada."),
        replace(WEB, host="shop.example.org"),
    ],
)
def test_another_shape_is_another_configuration(other: Route) -> None:
    assert shape([WEB]) != shape([other])
    assert mark(WEB) != mark(other)


def test_every_upstream_has_a_slot_and_stopped_services_have_none() -> None:
    assert sorted(slots([WEB, API, Route("x", "x.y.z.localhost")]).values()) == sorted(WEB.upstreams + API.upstreams)


def test_nothing_names_the_data_directory() -> None:
    assert "/data" not in json.dumps(configuration([WEB, API], SETTINGS, {}))


def test_exact_hosts_come_before_wildcards() -> None:
    wild, exact = Route("w", "*.example.org", ("127.0.0.1:1",)), Route("e", "www.example.org", ("127.0.0.1:2",))
    text = json.dumps(configuration([wild, exact], SETTINGS, {}))
    assert text.index("www.example.org") < text.index("*.example.org")


@pytest.mark.parametrize("host", ["localhost", "{env.HOME}", "a:80", "", "UPPER.example.org"])
def test_a_host_that_is_the_portals_or_none_at_all_is_refused(host: str) -> None:
    with pytest.raises(Permanent) as caught:
        configuration([Route("x", host)], SETTINGS, {})
    assert caught.value.next_step


def test_a_host_claimed_twice_is_refused_with_both_claims() -> None:
    with pytest.raises(Permanent, match=r"svc-web and by other"):
        configuration([WEB, Route("other", WEB.host)], SETTINGS, {})

"""What there is, and deleting it only when it was meant."""

from __future__ import annotations

import pytest

from tests.cli.conftest import PLACEMENT_PATH, SERVICE, SERVICE_PATH, Highroad
from tests.client.canned import Canned


def test_projects_are_listed(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer(
        "GET", "/projects", {"items": [{"name": "shop", "services": [{"name": "web"}], "environments": []}]}
    )
    assert highroad("projects").out.splitlines()[1].split() == ["shop", "-"]


def test_services_are_listed_with_their_placements(signed_in: Canned, highroad: Highroad) -> None:
    place = {"environment": "production", "state": "live", "url": "http://x"}
    signed_in.answer(
        "GET", "/projects/shop/services", {"items": [{"name": "web", "environments": [place]}, {"name": "b"}]}
    )
    out = highroad("services", "-p", "shop").out
    assert out.splitlines()[1].split() == ["web", ".", "production", "live", "http://x"]


def test_environments_are_listed_created_and_deleted(signed_in: Canned, highroad: Highroad) -> None:
    path = "/projects/shop/environments"
    signed_in.answer("GET", path, {"items": [{"name": "production", "mode": "production", "branch": "main"}]})
    signed_in.answer("POST", path, {"name": "staging"}, 201)
    signed_in.answer("GET", f"{path}/staging", {"name": "staging"})
    signed_in.answer("DELETE", f"{path}/staging", status=204)
    assert "production" in highroad("environments", "-p", "shop").out
    assert highroad("environments", "create", "staging", "--branch", "dev", "-p", "shop").code == 0
    assert signed_in.asked("POST", path)[0].body == {"name": "staging", "mode": "staging", "branch": "dev"}
    assert highroad("environments", "delete", "staging", "--yes", "-p", "shop").code == 0


def test_domains_are_listed_added_and_removed(signed_in: Canned, highroad: Highroad) -> None:
    path = f"{PLACEMENT_PATH}/domains"
    signed_in.answer("GET", path, {"items": [{"host": "shop.example"}]})
    signed_in.answer("POST", path, {"host": "shop.example"}, 201)
    signed_in.answer("DELETE", f"{path}/shop.example", status=204)
    assert "shop.example" in highroad("domains", *SERVICE).out
    assert highroad("domains", "add", "shop.example", "--json", *SERVICE).document == {"host": "shop.example"}
    assert highroad("domains", "remove", "shop.example", *SERVICE).code == 0


def test_destroying_needs_a_person_or_yes(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", SERVICE_PATH, {"name": "web"})
    ran = highroad("destroy", "service", *SERVICE)
    assert ran.code == 2
    assert "--yes" in ran.err
    assert signed_in.asked("DELETE", SERVICE_PATH) == []


@pytest.mark.parametrize(("typed", "code"), [("web", 0), ("wbe", 2)])
def test_the_name_must_be_typed(
    signed_in: Canned, highroad: Highroad, monkeypatch: pytest.MonkeyPatch, typed: str, code: int
) -> None:
    from tests.cli.test_output import Terminal

    monkeypatch.setattr("sys.stdin", Terminal(f"{typed}\n"))
    signed_in.answer("GET", SERVICE_PATH, {"name": "web"}, headers={"ETag": '"5"'})
    signed_in.answer("DELETE", SERVICE_PATH, status=204)
    assert highroad("destroy", "service", *SERVICE).code == code
    assert [each.headers["If-Match"] for each in signed_in.asked("DELETE", SERVICE_PATH)] == (
        ['"5"'] if code == 0 else []
    )


def test_a_project_is_destroyed_with_yes(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/projects/shop", {"name": "shop"})
    signed_in.answer("DELETE", "/projects/shop", status=204)
    assert highroad("destroy", "project", "--yes", "-p", "shop", "--json").document == {"name": "shop", "deleted": True}

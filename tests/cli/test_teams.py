"""Teams."""

from __future__ import annotations

from tests.cli.conftest import Highroad
from tests.client.canned import Canned

NESTED = [
    {"name": "company", "title": "The company", "parent": None},
    {"name": "payments", "title": "Payments", "parent": "shop"},
    {"name": "shop", "title": "Shop", "parent": "company"},
]


def test_teams_are_listed_as_a_tree(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("GET", "/teams", {"items": NESTED})
    lines = highroad("teams").out.splitlines()[1:]
    assert [each.split()[0] for each in lines] == ["company", "shop", "payments"]
    assert [len(each) - len(each.lstrip()) for each in lines] == [0, 2, 4]
    assert highroad("teams", "--json").document == {"items": NESTED}


def test_a_team_is_shown_with_where_its_members_come_from(signed_in: Canned, highroad: Highroad) -> None:
    member = {"email": "bob@example.com", "name": "Bob", "active": True, "sources": ["scim"]}
    found = {"name": "shop", "title": "Shop", "parent": "company", "children": ["payments"], "members": [member]}
    signed_in.answer("GET", "/teams/shop", found)
    out = highroad("teams", "show", "shop").out
    assert "below company" in out
    assert out.splitlines()[-1].split() == ["bob@example.com", "Bob", "scim", "yes"]


def test_a_team_is_created_changed_and_deleted(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/teams", {"name": "shop"}, 201)
    assert highroad("teams", "create", "shop", "--parent", "company").code == 0
    assert signed_in.requests[-1].body == {"name": "shop", "title": "", "parent": "company"}
    signed_in.answer("PATCH", "/teams/shop", {"name": "shop", "title": "Shop", "parent": None})
    assert highroad("teams", "change", "shop", "--top").code == 0
    assert signed_in.requests[-1].body == {"parent": None}
    assert highroad("teams", "change", "shop", "--top", "--parent", "x").code == 2
    signed_in.answer("DELETE", "/teams/shop", {"name": "shop", "moved_up": ["payments"]})
    assert highroad("teams", "delete", "shop", "--yes").out == "Deleted shop. Moved up: payments.\n"


def test_members_come_and_go(signed_in: Canned, highroad: Highroad) -> None:
    path = "/teams/shop/members/bob%40example.com"
    signed_in.answer("PUT", path, {"name": "shop"})
    signed_in.answer("DELETE", path, {"name": "shop"})
    assert highroad("teams", "add", "shop", "bob@example.com").code == 0
    assert highroad("teams", "remove", "shop", "bob@example.com").code == 0


def test_a_team_owns_a_project_until_it_does_not(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("PATCH", "/projects/store", {"name": "store"})
    assert highroad("teams", "own", "shop", "-p", "store").code == 0
    assert signed_in.requests[-1].body == {"team": "shop"}
    assert highroad("teams", "disown", "-p", "store").code == 0
    assert signed_in.requests[-1].body == {"team": None}

"""The pages about teams, service accounts and tokens."""

from __future__ import annotations

import re

import pytest

from highroad.access import teams
from tests.portal.site import Browser, Page, Site

READS = 'permit (principal, action == Action::"project:read", resource in Project::"shop");'


def secret_of(page: Page) -> str:
    found = re.search(r'value="(hr_[^"]+)"', page.html)
    assert found is not None, page.text
    assert page.headers["cache-control"] == "no-store"
    return found[1]


# Teams


def test_teams_are_created_nested_changed_and_deleted(ada: Browser) -> None:
    assert "There is no team yet" in ada.get("/teams").text
    assert ada.post("/teams", name="shop", title="The Shop").location == "/teams/shop"
    ada.post("/teams", name="payments", title="Payments", parent="shop")
    assert "Payments" in ada.get("/teams/shop").text
    ada.post("/teams/payments", title="Payments & Billing", parent="")
    assert "Payments &amp; Billing" in ada.get("/teams").html
    assert ada.post("/teams/shop/delete", confirm="wrong").status == 422
    assert ada.post("/teams/shop/delete", confirm="shop").location == "/teams?done=deleted"
    assert ada.get("/teams/shop").status == 404


def test_a_team_that_cannot_be_says_why_beside_the_form(ada: Browser) -> None:
    ada.post("/teams", name="shop")
    for page in (ada.post("/teams", name="shop"), ada.post("/teams", name="No Label")):
        assert page.status in (409, 422)
        assert 'role="alert"' in page.html
    circle = ada.post("/teams/shop", title="Shop", parent="shop")
    assert "A team cannot be below itself" in circle.text


def test_members_come_and_go_by_hand_and_others_stay(site: Site, ada: Browser) -> None:
    ada.post("/teams", name="shop")
    bob = site.user("bob@example.com", role="member")
    assert ada.post("/teams/shop/members", member="bob@example.com").location == "/teams/shop?done=member"
    assert "put here by hand" in ada.get("/teams/shop").text
    ada.post(f"/teams/shop/members/{bob.id}/remove")
    assert "Nobody is in this very team" in ada.get("/teams/shop").text
    with site.context.db.begin() as tx:
        team = teams.team_by_name(tx, "shop")
        assert team is not None
        teams.add_member(tx, team.id, bob.id, "scim")
    page = ada.post(f"/teams/shop/members/{bob.id}/remove")
    assert page.status == 409
    assert "ends where it comes from" in page.text


def test_members_of_a_team_that_are_not_there_are_refused(ada: Browser) -> None:
    ada.post("/teams", name="shop")
    assert ada.post("/teams/shop/members", member="nobody@example.com").status == 404


# Service accounts


def test_a_service_account_gets_a_token_that_is_shown_once(ada: Browser) -> None:
    assert "There is no service account yet" in ada.get("/service-accounts").text
    ada.post("/service-accounts", name="bot", description="releases <b>")
    page = ada.post("/service-accounts/bot/tokens", name="CI", scope=["read"], days="7")
    secret = secret_of(page)
    shown = ada.get("/service-accounts/bot")
    assert secret not in shown.html
    assert "releases &lt;b&gt;" in shown.html
    assert "CI" in shown.text
    ada.post("/service-accounts/bot", active="no")
    assert "deactivated" in ada.get("/service-accounts/bot").text
    assert "CI" not in ada.get("/tokens").text


def test_a_service_account_is_changed(ada: Browser) -> None:
    ada.post("/teams", name="shop")
    ada.post("/service-accounts", name="bot")
    changed = ada.post("/service-accounts/bot", description="new", team="shop", role="auditor")
    assert changed.location == "/service-accounts/bot?done=changed"
    page = ada.get("/service-accounts/bot")
    assert "auditor" in page.text
    assert 'href="/teams/shop"' in page.html


# Tokens


def test_a_policy_token_is_made_changed_and_ended(ada: Browser) -> None:
    secret_of(ada.post("/policy-tokens", name="board", policy=READS, days="30"))
    refused = ada.post("/policy-tokens/board", policy="permit (nobody);")
    assert refused.status == 422
    assert "line 1" in refused.text
    assert ada.post("/policy-tokens/board", policy=READS.replace("shop", "blog")).location == "/tokens?done=policy"
    assert "blog" in ada.get("/tokens").text
    ada.post("/policy-tokens/board/end")
    assert "There is none" in ada.get("/tokens").text


def test_a_policy_token_that_is_refused_keeps_what_was_typed(ada: Browser) -> None:
    page = ada.post("/policy-tokens", name="board", policy='permit (principal, action == Action::"x", resource);')
    assert page.status == 422
    assert 'value="board"' in page.html
    assert "Action::&#34;x&#34;" in page.html


def test_a_leaked_token_is_ended_from_the_page(ada: Browser) -> None:
    ada.post("/service-accounts", name="bot")
    secret = secret_of(ada.post("/service-accounts/bot/tokens", name="CI", scope=["read"], days=""))
    page = ada.post("/tokens/leaked", secrets=f"{secret}\nhr_x", where="a gist")
    assert "The 1. was revoked" in page.text
    assert "The 2. is no token" in page.text
    assert secret not in page.html


@pytest.mark.parametrize("way", ["//evil.example", "https://evil.example"])
def test_revoking_leads_nowhere_else(ada: Browser, way: str) -> None:
    ada.post("/account/tokens", name="x", scope=["read"], days="7")
    found = re.search(r'action="/tokens/(tok_[^/]+)/revoke"', ada.get("/tokens").html)
    assert found is not None
    assert ada.post(f"/tokens/{found[1]}/revoke", next=way).location == "/tokens?done=revoked"

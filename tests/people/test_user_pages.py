"""The pages about people, and the way in by an invitation."""

from __future__ import annotations

import re

from tests.portal.site import Browser, Page, Site


def link_of(page: Page) -> str:
    found = re.search(r'value="http://localhost:8080/(?:invitation|sign-in/link)#([^"]+)"', page.html)
    assert found is not None, page.text
    return found[1]


def invite(ada: Browser, email: str = "bob@example.com", **more: str | list[str]) -> str:
    return link_of(ada.post("/users", email=email, name="Bob", **more))


def accept(browser: Browser, secret: str, **more: str) -> Page:
    fields = {"name": "Bob B.", "password": "a long password", "again": "a long password", **more}
    return browser.post("/invitation/accept", secret=secret, **fields)


# Invitations


def test_an_invitation_becomes_a_user_who_is_signed_in(site: Site, ada: Browser) -> None:
    ada.post("/teams", name="shop", title="The Shop")
    secret = invite(ada, role="auditor", team=["shop"])
    assert secret not in ada.get("/users").html
    assert "bob@example.com" in ada.get("/users").text
    bob = site.browser()
    assert (
        "ada@example.com invited you"
        in bob.post("/invitation", secret=f"http://localhost:8080/invitation#{secret}").text
    )
    assert accept(bob, secret).location == "/"
    assert bob.get("/").status == 200
    listed = ada.get("/users").text
    assert "Bob B." in listed
    assert "Nobody is invited who has not come yet" in listed
    assert "Bob B." in ada.get("/teams/shop").text


def test_until_it_is_accepted_nobody_is_there(site: Site, ada: Browser) -> None:
    invite(ada)
    page = site.browser().post("/sign-in", email="bob@example.com", password="a long password")
    assert page.status == 401


def test_an_invitation_is_accepted_once(site: Site, ada: Browser) -> None:
    secret = invite(ada)
    accept(site.browser(), secret)
    again = accept(site.browser(), secret)
    assert again.status == 401
    assert "accepted or withdrawn" in again.text


def test_a_password_that_cannot_be_used_says_so_and_is_not_typed_back(site: Site, ada: Browser) -> None:
    secret, bob = invite(ada), site.browser()
    for fields in ({"password": "short", "again": "short"}, {"again": "another password"}):
        page = accept(bob, secret, **fields)
        assert page.status == 422
        assert "a long password" not in page.html
    assert accept(bob, secret).location == "/"


def test_a_withdrawn_or_renewed_invitation_has_no_old_link(site: Site, ada: Browser) -> None:
    first = invite(ada)
    found = re.search(r'action="(/invitations/[^"]+)/resend"', ada.get("/users").html)
    assert found is not None
    second = link_of(ada.post(f"{found[1]}/resend"))
    assert site.browser().post("/invitation", secret=first).status == 401
    assert ada.post(f"{found[1]}/withdraw").location == "/users?done=withdrawn"
    assert site.browser().post("/invitation", secret=second).status == 401


def test_deactivating_who_invited_withdraws_what_they_made(site: Site, ada: Browser) -> None:
    admin = site.user("admin@example.com", role="admin")
    secret = invite(site.browser(admin))
    ada.post(f"/users/{admin.id}", active="no")
    assert site.browser().post("/invitation", secret=secret).status == 401


def test_an_invitation_that_is_refused_says_why_beside_the_form(ada: Browser) -> None:
    assert "is a user already" in ada.post("/users", email="ada@example.com").text
    assert ada.post("/users", email="nonsense").status == 422


def test_another_site_accepts_no_invitation(site: Site, ada: Browser) -> None:
    secret = invite(ada)
    answer = site.browser().client.post(
        "/invitation/accept", data={"secret": secret}, headers={"origin": "https://evil.example"}
    )
    assert answer.status_code == 403


# People


def test_a_deactivated_user_is_out_at_once(site: Site, ada: Browser) -> None:
    bob = site.user("bob@example.com", role="member")
    browser = site.browser(bob)
    assert browser.get("/").status == 200
    ada.post(f"/users/{bob.id}", active="no")
    assert browser.get("/").status == 303
    assert "deactivated" in ada.get("/users").text


def test_the_last_owner_stays(site: Site, ada: Browser) -> None:
    assert ada.actor is not None
    page = ada.post(f"/users/{ada.actor.id}", active="no")
    assert page.status == 409
    assert "last active owner" in page.text


def test_a_person_is_shown_with_what_they_may_do(site: Site, ada: Browser) -> None:
    bob = site.user("bob@example.com", role="member")
    browser = site.browser(bob)
    browser.post("/account/tokens", name="laptop", scope="read", days="7")
    page = ada.get(f"/users/{bob.id}")
    assert "laptop" in page.text
    assert "Sessions 1" in page.text
    token = re.search(r'action="/tokens/(tok_[^/]+)/revoke"', page.html)
    assert token is not None
    ada.post(f"/tokens/{token[1]}/revoke")
    assert "no token that can be used" in ada.get(f"/users/{bob.id}").text


def test_members_see_who_is_here_and_change_nobody(site: Site, ada: Browser) -> None:
    assert ada.actor is not None
    bob = site.browser(site.user("bob@example.com", role="member"))
    assert "ada@example.com" in bob.get("/users").text
    page = bob.get(f"/users/{ada.actor.id}")
    assert "Sessions" not in page.text
    assert "Deactivate" not in page.text
    for path in ("/users", f"/users/{ada.actor.id}", f"/users/{ada.actor.id}/sign-in-link", "/teams"):
        assert bob.post(path, email="eve@example.com", role="owner", name="mine").status == 403
    assert bob.get("/tokens").status == 403
    assert bob.get("/service-accounts").status == 403
    assert 'href="/tokens"' not in bob.get("/users").html


def test_a_name_with_markup_is_text(site: Site, ada: Browser) -> None:
    secret = invite(ada)
    accept(site.browser(), secret, name="<b>Bob</b>")
    assert "<b>Bob" not in ada.get("/users").html

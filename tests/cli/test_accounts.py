"""Users and invitations."""

from __future__ import annotations

from tests.cli.conftest import Highroad
from tests.client.canned import Canned


def test_users_are_listed_with_who_is_active(signed_in: Canned, highroad: Highroad) -> None:
    items = [{"id": "usr_1", "email": "a@b.c", "name": "A", "active": True}, {"id": "usr_2", "active": False}]
    signed_in.answer("GET", "/users", {"items": items})
    rows = highroad("users").out.splitlines()[1:]
    assert [each.split()[-1] for each in rows] == ["yes", "no"]


def test_an_invitation_is_a_link_alone_on_stdout(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("POST", "/invitations", {"id": "inv_1", "email": "bob@example.com", "link": "http://x/i#s"}, 201)
    ran = highroad("users", "invite", "bob@example.com", "--role", "auditor", "--team", "shop")
    assert ran.out == "http://x/i#s\n"
    body = {"email": "bob@example.com", "name": "", "role": "auditor", "teams": ["shop"]}
    assert signed_in.requests[0].body == body


def test_invitations_are_listed_renewed_and_withdrawn(signed_in: Canned, highroad: Highroad) -> None:
    item = {"email": "bob@example.com", "role": "member", "teams": ["shop"], "made_by": "ada", "expired": True}
    signed_in.answer("GET", "/invitations", {"items": [item]})
    assert highroad("users", "invitations").out.splitlines()[1].split()[-1] == "expired"
    path = "/invitations/bob%40example.com"
    signed_in.answer("POST", f"{path}/resend", {"email": "bob@example.com", "link": "l"})
    assert highroad("users", "resend", "bob@example.com").out == "l\n"
    signed_in.answer("DELETE", path, status=204)
    assert highroad("users", "withdraw", "bob@example.com").code == 0


def test_a_user_is_changed_deactivated_and_activated_by_address(signed_in: Canned, highroad: Highroad) -> None:
    signed_in.answer("PATCH", "/users/bob%40example.com", {"id": "usr_2", "email": "bob@example.com"})
    for arguments, body in (
        (("change", "bob@example.com", "--role", "admin"), {"role": "admin"}),
        (("deactivate", "bob@example.com"), {"active": False}),
        (("activate", "bob@example.com"), {"active": True}),
    ):
        assert highroad("users", *arguments).code == 0
        assert signed_in.requests[-1].body == body
    assert highroad("users", "change", "bob@example.com").code == 2


def test_a_person_is_shown_as_far_as_one_may_see_them(signed_in: Canned, highroad: Highroad) -> None:
    role = {"role": "deployer", "project": "shop", "mode": None, "through": "payments", "by": "ada"}
    user = {"name": "Bob", "email": "b@c.d", "role": "member", "teams": [{"team": "payments", "sources": ["scim"]}]}
    access = {"roles": [role], "sessions": 1, "tokens": [], "last_seen_at": None, "made": ["bot"]}
    signed_in.answer("GET", "/users/b%40c.d", {**user, "access": None})
    signed_in.answer("GET", "/users/b%40c.d", {**user, "access": access})
    assert highroad("users", "show", "b@c.d").out.splitlines() == ["Bob <b@c.d>, member", "  in payments (scim)"]
    assert "deployer in shop/all modes through payments, by ada" in highroad("users", "show", "b@c.d").out

"""One's own password, tokens and sessions on their page."""

from __future__ import annotations

import re

from highroad.access import store
from tests.portal.site import PASSWORD, Browser, Site


def test_a_password_is_changed_with_the_present_one(ada: Browser) -> None:
    new = "another horse battery"
    page = ada.post("/account/password", current=PASSWORD, new=new, again=new)
    assert page.location == "/account?done=password"
    assert "The password was changed" in ada.get(page.location).text


def test_a_refused_password_says_why_and_is_not_typed_back(ada: Browser) -> None:
    for fields, why in (
        ({"current": "wrong", "new": "long enough", "again": "long enough"}, "password are wrong"),
        ({"current": PASSWORD, "new": "short", "again": "short"}, "at least 10 characters"),
        ({"current": PASSWORD, "new": "long enough", "again": "other"}, "Type the same new password twice"),
    ):
        page = ada.post("/account/password", **fields)
        assert page.status in (401, 422)
        assert why.split()[-1] in page.text
        assert fields["new"] not in page.html


def test_other_sessions_end_and_the_own_one_stays(site: Site, ada: Browser) -> None:
    with site.context.db.read() as tx:
        user = store.user_by_email(tx, "ada@example.com")
    assert user is not None
    elsewhere = site.browser(user[0])
    ada.post("/account/sessions/end")
    assert (ada.get("/").status, elsewhere.get("/").status) == (200, 303)


def test_a_token_is_shown_once_and_can_be_revoked(ada: Browser) -> None:
    made = ada.post("/account/tokens", name="ci <script>", days="30", scope=["read", "git"])
    secret = re.search(r'value="(hr_[^"]+)"', made.html)
    assert secret is not None
    assert made.headers["cache-control"] == "no-store"
    shown = ada.get("/account")
    assert secret[1] not in shown.html
    assert "ci &lt;script&gt;" in shown.html
    assert "read, git" in shown.text
    revoke = re.search(r'action="(/account/tokens/[^"]+/revoke)"', shown.html)
    assert revoke is not None
    ada.post(revoke[1])
    assert "You have no token" in ada.get("/account").text


def test_a_token_form_that_is_refused_keeps_what_was_typed(ada: Browser) -> None:
    for fields in ({"scope": "read", "days": "0"}, {"days": "90"}, {"scope": "everything", "days": "90"}):
        page = ada.post("/account/tokens", name="my laptop", **fields)
        assert page.status == 422
        assert 'role="alert"' in page.html
        assert 'value="my laptop"' in page.html

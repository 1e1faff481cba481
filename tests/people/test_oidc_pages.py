"""Sign-in with a provider in the portal: from the button to the session, into teams, and out again."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyotp
import pytest

from highroad.access import store as users
from highroad.access import teams, user_actions
from highroad.access.federation import actions, store
from highroad.access.federation.model import GroupRule
from highroad.access.federation.model import Provider as SetUp
from highroad.access.model import SYSTEM
from highroad.access.second_factor import store as second_factors
from highroad.people.oidc_pages import COOKIE
from tests.access.federation.provider import (
    DISCOVERY,
    Provider,
)
from tests.people.oidc import (
    ADA,
    come_back,
    company,
    depart,
    events,
    found,
    member_of,
    provider,
    refused,
    set_up,
    sign_in,
    users_digest,
)
from tests.portal.site import Browser, Site

__all__ = ["company", "provider"]

# The way in


@pytest.mark.usefixtures("company")
def test_the_sign_in_page_has_a_button_that_keeps_where_one_wanted_to_go(anyone: Browser) -> None:
    page = anyone.get("/sign-in?next=/events%3Fa%3D1")
    assert 'href="/sign-in/with/company?next=/events%3Fa%3D1"' in page.html
    assert "Sign in with Company" in page.text


@pytest.mark.usefixtures("company")
def test_a_first_sign_in_creates_the_user_and_leads_where_one_wanted_to_go(
    site: Site, anyone: Browser, provider: Provider
) -> None:
    page = sign_in(anyone, provider)
    assert (page.status, page.location) == (303, "/events")
    assert "HttpOnly; Max-Age=1209600; Path=/; SameSite=lax" in page.headers["set-cookie"]
    assert anyone.get("/events").status == 200
    user = found(site, "ada@example.com")
    assert user is not None
    assert (user.name, user.role, user.has_password) == ("Ada Lovelace", "member", False)


@pytest.mark.usefixtures("company")
def test_the_browser_is_sent_with_pkce_state_nonce_and_the_exact_redirect_address(
    site: Site, anyone: Browser, provider: Provider
) -> None:
    asked = dict(parse_qsl(urlsplit(depart(anyone)).query))
    assert asked["redirect_uri"] == f"{site.context.settings.url}/sign-in/with/company/callback"
    assert asked["code_challenge_method"] == "S256"
    assert {len(asked[name]) for name in ("state", "nonce", "code_challenge")} == {43}
    cookie = anyone.client.cookies[COOKIE]
    assert cookie not in depart(anyone)
    assert provider.asked["/token"] == 0


@pytest.mark.usefixtures("company")
def test_who_comes_again_is_the_same_user_whatever_the_address(site: Site, anyone: Browser, provider: Provider) -> None:
    sign_in(anyone, provider)
    first = found(site, "ada@example.com")
    sign_in(anyone, provider, email="ada.king@example.com")
    assert found(site, "ada@example.com") is None
    again = found(site, "ada.king@example.com")
    assert first is not None
    assert again is not None
    assert again.id == first.id


@pytest.mark.usefixtures("company")
def test_an_address_that_an_administrator_chose_is_kept(site: Site, anyone: Browser, provider: Provider) -> None:
    sign_in(anyone, provider)
    user = found(site, "ada@example.com")
    assert user is not None
    with site.context.db.begin() as tx:
        users.update_user(tx, user.id, email="countess@example.com")
    assert sign_in(anyone, provider, email="ada.king@example.com").status == 303
    assert found(site, "countess@example.com") is not None


@pytest.mark.usefixtures("company")
def test_an_address_that_is_somebody_elses_or_not_verified_is_not_taken_over(
    site: Site, anyone: Browser, provider: Provider
) -> None:
    sign_in(anyone, provider)
    site.user("ben@example.com")
    assert sign_in(anyone, provider, email="ben@example.com").status == 303
    assert sign_in(anyone, provider, email="cleo@example.com", email_verified=False).status == 303
    assert found(site, "ada@example.com") is not None


@pytest.mark.usefixtures("company")
def test_the_subject_and_not_the_address_says_who_it_is(site: Site, anyone: Browser, provider: Provider) -> None:
    """The address moved to somebody else at the provider: a new subject is linked only because the domain is theirs."""
    sign_in(anyone, provider)
    page = sign_in(site.browser(), provider, subject="sub-eve", email="eve@example.com")
    assert page.status == 303
    assert {found(site, each) is not None for each in ("ada@example.com", "eve@example.com")} == {True}


def test_several_tabs_may_sign_in_at_once(site: Site, anyone: Browser, provider: Provider, company: SetUp) -> None:
    first, second = depart(anyone), depart(anyone, next="/account")
    assert come_back(anyone, provider.authorize(second, **ADA)).location == "/account"
    assert come_back(anyone, provider.authorize(first, **ADA)).location == "/events"


@pytest.mark.usefixtures("company")
def test_a_new_sign_in_ends_the_session_that_the_browser_had(site: Site, ada: Browser, provider: Provider) -> None:
    before = ada.client.cookies["highroad_session"]
    sign_in(ada, provider)
    again = site.browser()
    again.client.cookies.set("highroad_session", before)
    assert again.get("/").status == 303


@pytest.mark.usefixtures("company")
def test_the_device_of_a_cli_is_approved_by_who_came_in_by_a_provider(
    site: Site, anyone: Browser, provider: Provider
) -> None:
    login = anyone.client.post("/api/v1/logins", json={"name": "laptop"}).json()
    sign_in(anyone, provider)
    assert login["user_code"] in anyone.get(f"/login/{login['user_code']}").text
    with site.context.db.read() as tx:
        session = users.session(tx, users_digest(anyone))
    assert session is not None
    anyone.csrf = session[0].csrf
    assert anyone.post(f"/login/{login['user_code']}", decision="approve").status == 200
    answer = site.browser().client.post(f"/api/v1/logins/{login['id']}/token", json={"secret": login["secret"]})
    assert answer.json()["actor"]["email"] == "ada@example.com"


def test_who_has_a_second_factor_here_is_asked_for_it(
    site: Site, anyone: Browser, provider: Provider, company: SetUp
) -> None:
    user = site.user()
    with site.context.db.begin() as tx:
        second_factors.begin_factor(tx, user.id, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
        second_factors.confirm_factor(tx, user.id)
    page = sign_in(anyone, provider)
    assert (page.status, "Code of your authenticator app" in page.text) == (200, True)
    assert "highroad_session" not in page.headers.get("set-cookie", "")
    waiting = re.findall(r'name="waiting" value="([^"]+)"', page.html)[0]
    code = pyotp.TOTP("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP").now()
    again = anyone.post("/sign-in/code", waiting=waiting, code=code, next="/events")
    assert (again.status, again.location) == (303, "/events"), again.text


# Who is let in


def test_nobody_becomes_a_user_who_was_not_invited_where_the_provider_creates_none(
    site: Site, anyone: Browser, provider: Provider
) -> None:
    set_up(site, provider, creates_users=False)
    page = sign_in(anyone, provider)
    assert (page.status, "nobody invited that address" in page.text) == (403, True)
    assert found(site, "ada@example.com") is None
    refused = events(site, "user.refused.0.1.0")
    assert refused[0]["data"]["customData"]["reason"] == "not-invited"


def test_an_invited_user_is_linked_by_an_address_that_the_provider_answers_for(
    site: Site, anyone: Browser, provider: Provider
) -> None:
    set_up(site, provider, creates_users=False)
    user = site.user()
    assert sign_in(anyone, provider).status == 303
    with site.context.db.read() as tx:
        linked = store.identities_of(tx, user.id)
    assert [each.subject for each in linked] == ["sub-ada"]


@pytest.mark.parametrize(
    ("options", "claims", "said"),
    [
        ({"domains": []}, {}, "not trusted to answer"),
        ({}, {"email_verified": False}, "has not verified"),
        ({}, {"email_verified": None}, "has not verified"),
        ({}, {"email_verified": "yes"}, "has not verified"),
        ({}, {"email": "ada@evil.example"}, "is set up for example.com"),
        ({}, {"email": "ada@example.com@evil.example"}, "did not tell your email"),
        ({}, {"email": "ada@evil.example, ada@example.com"}, "did not tell your email"),
        ({}, {"email": None}, "did not tell your email"),
    ],
)
def test_nobody_becomes_another_user_by_an_address_that_cannot_be_believed(
    site: Site, anyone: Browser, provider: Provider, options: dict[str, Any], claims: dict[str, Any], said: str
) -> None:
    user = site.user()
    set_up(site, provider, **options)
    page = sign_in(anyone, provider, **claims)
    assert (page.status, said in page.text) == (403, True), page.text
    with site.context.db.read() as tx:
        assert store.identities_of(tx, user.id) == []


def test_a_provider_may_be_believed_without_verification_for_its_own_domains(
    site: Site, anyone: Browser, provider: Provider
) -> None:
    set_up(site, provider, email_trust="always")
    assert sign_in(anyone, provider, email_verified=None).status == 303


@pytest.mark.usefixtures("company")
def test_a_deactivated_user_is_refused(site: Site, anyone: Browser, provider: Provider) -> None:
    sign_in(anyone, provider)
    user = found(site, "ada@example.com")
    assert user is not None
    site.user("owner@example.com")
    with site.context.db.begin() as tx:
        user_actions.change_user(tx, site.context.log, SYSTEM, user.id, name=None, role=None, active=False)
    page = sign_in(site.browser(), provider)
    assert (page.status, "is deactivated here" in page.text) == (403, True)
    assert anyone.get("/events").status == 303


@pytest.mark.usefixtures("company")
def test_who_left_the_companys_domain_is_refused_although_the_identity_is_known(
    anyone: Browser, provider: Provider
) -> None:
    sign_in(anyone, provider)
    assert sign_in(anyone, provider, email="ada@gmail.example").status == 403


def test_a_provider_that_is_switched_off_lets_nobody_in_and_ends_its_sessions(
    site: Site, anyone: Browser, provider: Provider, company: SetUp
) -> None:
    sign_in(anyone, provider)
    begun = provider.authorize(depart(anyone), **ADA)
    with site.context.db.begin() as tx:
        actions.change_provider(tx, site.context.log, SYSTEM, "company", {"active": False}, secret=None)
    assert anyone.get("/events").status == 303
    assert come_back(anyone, begun).status == 404
    assert anyone.get("/sign-in/with/company").status == 404
    assert "Company" not in anyone.get("/sign-in").text


# Groups


def test_groups_become_memberships_and_leave_again(site: Site, anyone: Browser, provider: Provider) -> None:
    rules = (GroupRule("pay-*", "payments"), GroupRule("*", "*"))
    set_up(site, provider, group_claim="groups", groups=rules)
    with site.context.db.begin() as tx:
        for name in ("payments", "platform", "web"):
            teams.add_team(tx, name=name, title=name, parent=None)
    sign_in(anyone, provider, groups=["pay-core", "Platform", "unknown", 5])
    assert member_of(site, "ada@example.com") == {"payments", "platform"}
    sign_in(anyone, provider, groups=["web"])
    assert member_of(site, "ada@example.com") == {"web"}
    sign_in(anyone, provider)
    assert member_of(site, "ada@example.com") == set()
    joined = [each["data"]["subject"]["content"]["joined"] for each in events(site, "synchronised.0.1.0")]
    assert sorted(joined) == [[], ["payments", "platform"], ["web"]]


def test_memberships_that_somebody_gave_by_hand_are_left_alone(site: Site, anyone: Browser, provider: Provider) -> None:
    set_up(site, provider, group_claim="realm_access.roles", groups=(GroupRule("dev", "web"),))
    user = site.user()
    with site.context.db.begin() as tx:
        team = teams.add_team(tx, name="web", title="Web", parent=None)
        teams.add_member(tx, team.id, user.id)
    sign_in(anyone, provider, realm_access={"roles": ["dev"]})
    sign_in(anyone, provider, realm_access={"roles": []})
    assert member_of(site, "ada@example.com") == {"web"}


def test_what_the_identity_token_leaves_out_is_asked_for(site: Site, anyone: Browser, provider: Provider) -> None:
    set_up(site, provider, group_claim="groups", groups=(GroupRule("web", "web"),))
    with site.context.db.begin() as tx:
        teams.add_team(tx, name="web", title="Web", parent=None)
    provider.userinfo = {"sub": "sub-ada", **ADA, "groups": ["web"]}
    page = come_back(anyone, provider.authorize(depart(anyone)))
    assert page.status == 303, page.text
    assert member_of(site, "ada@example.com") == {"web"}


@pytest.mark.usefixtures("company")
def test_what_is_told_about_somebody_else_is_refused(anyone: Browser, provider: Provider) -> None:
    provider.userinfo = {"sub": "sub-eve", **ADA}
    page = come_back(anyone, provider.authorize(depart(anyone)))
    assert (page.status, "another person" in page.text) == (401, True)


# A provider in trouble


def test_no_from_the_provider_is_shown_with_what_to_do(
    site: Site, anyone: Browser, provider: Provider, company: SetUp
) -> None:
    asked = dict(parse_qsl(urlsplit(depart(anyone)).query))
    answer = {"state": asked["state"], "error": "access_denied", "error_description": "<b>not today</b>\x00"}
    page = come_back(anyone, answer)
    refused(page, "The sign-in was refused there")
    assert "<b>not today" not in page.html
    assert "not today" in page.text
    assert events(site, "user.refused.0.1.0")[0]["data"]["customData"]["reason"] == "provider-refused"


@pytest.mark.usefixtures("company")
def test_an_error_that_nobody_asked_for_is_not_repeated(anyone: Browser) -> None:
    page = come_back(anyone, {"state": "x", "error": "call 555-1234", "error_description": "to win"})
    assert "555" not in page.html


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        (DISCOVERY, (500, {}, b"oops"), "answers 500"),
        (DISCOVERY, (302, {"Location": "http://169.254.169.254/latest"}, b""), "redirect"),
        (DISCOVERY, (200, {}, b'{"issuer": "https://evil.example"}'), "evil.example"),
        (DISCOVERY, (200, {}, b"[" + b"1," * 400_000 + b"1]"), "more than"),
    ],
)
def test_a_provider_in_trouble_leads_back_to_the_sign_in_page(
    anyone: Browser, provider: Provider, path: str, answer: tuple[int, dict[str, str], bytes], said: str
) -> None:
    provider.answers[path] = answer
    page = anyone.get("/sign-in/with/company?next=/events")
    refused(page, said)
    assert 'name="next" value="/events"' in page.html


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize(
    ("path", "answer", "said"),
    [
        ("/token", (401, {}, b'{"error": "invalid_client"}'), "client id or client secret"),
        ("/token", (400, {}, b'{"error": "weird", "error_description": "secret-detail"}'), "weird"),
        ("/token", (200, {}, b'{"access_token": "a"}'), "without an identity token"),
        ("/token", (307, {"Location": "http://127.0.0.1:1/"}, b""), "redirect"),
        ("/keys", (200, {}, b"{}"), "no keys"),
        ("/keys", (503, {}, b""), "503"),
    ],
)
def test_a_provider_that_fails_half_way_lets_nobody_in(
    site: Site, anyone: Browser, provider: Provider, path: str, answer: tuple[int, dict[str, str], bytes], said: str
) -> None:
    provider.answers[path] = answer
    page = sign_in(anyone, provider)
    refused(page, said)
    assert "secret-detail" not in page.html
    assert found(site, "ada@example.com") is None


def test_the_client_secret_is_sealed_and_no_event_has_it(site: Site, company: SetUp) -> None:
    with site.context.db.begin() as tx:
        actions.change_provider(tx, site.context.log, SYSTEM, "company", {}, secret="hidden-7")
        (kept,) = tx.execute(store.providers.select()).mappings()
        assert kept["client_secret"].startswith("hs1.")
        assert store.secret_of(tx, company.id) == "hidden-7"
    assert "hidden-7" not in str(events(site, ""))


# Where it leads


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize("target", ["//evil.example", "https://evil.example", "/\\evil.example", "/sign-in", "evil"])
def test_a_sign_in_leads_to_no_other_site(anyone: Browser, provider: Provider, target: str) -> None:
    response = anyone.client.get("/sign-in/with/company", params={"next": target})
    answer = provider.authorize(response.headers["location"], **ADA)
    assert come_back(anyone, answer).location == "/"


@pytest.mark.usefixtures("company")
def test_signing_out_offers_to_sign_out_of_the_provider_too(site: Site, anyone: Browser, provider: Provider) -> None:
    provider.metadata["end_session_endpoint"] = f"{provider.url}/logout?tenant=1"
    sign_in(anyone, provider)
    with site.context.db.read() as tx:
        session = users.session(tx, users_digest(anyone))
    assert session is not None
    anyone.csrf = session[0].csrf
    page = anyone.post("/sign-out")
    assert page.status == 200
    assert "Sign out of Company too" in page.text
    assert f'href="{provider.url}/logout?tenant=1&amp;id_token_hint=ey' in page.html
    assert anyone.get("/events").status == 303


@pytest.mark.usefixtures("company")
def test_a_way_out_that_is_no_address_of_a_server_is_not_offered(
    site: Site, anyone: Browser, provider: Provider
) -> None:
    provider.metadata["end_session_endpoint"] = "javascript:alert(1)"
    assert sign_in(anyone, provider).status == 303
    with site.context.db.read() as tx:
        assert store.way_out(tx, anyone.client.cookies["highroad_session"]) is None


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize("endpoint", ["javascript:alert(1)", "//evil.example/", None])
def test_the_browser_is_sent_to_no_strange_address(anyone: Browser, provider: Provider, endpoint: str | None) -> None:
    provider.metadata["authorization_endpoint"] = endpoint
    refused(anyone.get("/sign-in/with/company"), "no usable authorization endpoint")


def test_strangers_who_begin_sign_ins_displace_only_their_own(site: Site, anyone: Browser, company: SetUp) -> None:
    for _ in range(store.MOST_ATTEMPTS + 5):
        depart(anyone)
    with site.context.db.read() as tx:
        assert len(tx.execute(store.attempts.select()).all()) == store.MOST_ATTEMPTS

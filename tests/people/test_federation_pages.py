"""The page about sign-in providers and trust rules."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from highroad.access import store
from highroad.access.federation import store as providers
from highroad.access.federation.model import GroupRule
from highroad.access.federation.model import Provider as SetUp
from highroad.access.trust import store as rules
from highroad.kit.ids import new_id
from tests.access.federation.provider import DISCOVERY, Provider, running
from tests.portal.site import Browser, Site

PAGE = "/sign-in-providers"
FORM = {
    "name": "company",
    "title": "Company",
    "issuer": "https://login.example.com",
    "client_id": "highroad",
    "client_secret": "s3cret-value",
    "scopes": "openid email groups",
    "domains": "example.com, example.org",
    "email_trust": "verified",
    "group_claim": "groups",
    "groups": "pay-* -> payments\n* -> *\n",
    "creates_users": "yes",
}
RULE: dict[str, str | list[str]] = {
    "rule": "shop-main",
    "rule_issuer": "https://token.actions.githubusercontent.com",
    "conditions": "repository=acme/shop\nref=refs/heads/main",
    "account": "deployer",
    "scope": ["read", "write"],
    "minutes": "10",
    "once": "yes",
}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as served:
        yield served


def only(site: Site) -> SetUp:
    with site.context.db.read() as tx:
        (found,) = providers.list_providers(tx)
    return found


def deployer(site: Site) -> None:
    with site.context.db.begin() as tx:
        store.add_user(tx, id=new_id("usr"), email="deployer", name="Deployer", kind="service")


def test_an_empty_page_says_what_to_do(ada: Browser) -> None:
    page = ada.get(PAGE)
    assert "No provider is set up" in page.text
    assert "there is none yet. Make one first" in page.text


def test_a_provider_is_added_by_the_form(site: Site, ada: Browser) -> None:
    assert ada.post(PAGE, **FORM).location == PAGE
    made = only(site)
    assert made.groups == (GroupRule("pay-*", "payments"), GroupRule("*", "*"))
    assert (made.domains, made.scopes) == (("example.com", "example.org"), ("openid", "email", "groups"))
    page = ada.get(PAGE)
    assert f"{site.context.settings.url}/sign-in/with/company/callback" in page.text
    assert "s3cret-value" not in page.html


def test_a_refused_form_says_why_and_keeps_what_was_typed_but_the_secret(ada: Browser) -> None:
    page = ada.post(PAGE, **(FORM | {"issuer": "http://login.example.com", "title": "<i>Our</i>"}))
    assert (page.status, "is not an https address" in page.text) == (422, True)
    assert 'value="&lt;i&gt;Our&lt;/i&gt;"' in page.html
    assert "s3cret-value" not in page.html
    page = ada.post(PAGE, **(FORM | {"groups": "no arrow"}))
    assert (page.status, "group -&gt; team" in page.html) == (422, True)


def test_a_provider_is_changed_switched_off_and_removed(site: Site, ada: Browser) -> None:
    ada.post(PAGE, **FORM)
    id = only(site).id
    change = {name: FORM[name] for name in ("scopes", "domains", "group_claim", "groups")}
    ada.post(f"{PAGE}/{id}/change", **(change | {"domains": "example.net"}))
    assert (only(site).domains, only(site).creates_users) == (("example.net",), False)
    with site.context.db.read() as tx:
        assert providers.secret_of(tx, id) == "s3cret-value"
    ada.post(f"{PAGE}/{id}/change", active="no")
    assert (only(site).active, only(site).domains) == (False, ("example.net",))
    ada.post(f"{PAGE}/{id}/remove")
    assert "No provider is set up" in ada.get(PAGE).text


def test_a_test_shows_what_was_found(site: Site, ada: Browser, provider: Provider) -> None:
    ada.post(PAGE, **(FORM | {"issuer": provider.url}))
    id = only(site).id
    assert "answers as it should" in ada.post(f"{PAGE}/{id}/test").text
    provider.answers[DISCOVERY] = (500, {}, b"")
    assert "Nobody can sign in like this" in ada.post(f"{PAGE}/{id}/test").text


def test_a_trust_rule_is_added_switched_and_removed(site: Site, ada: Browser) -> None:
    deployer(site)
    assert ada.post("/trust-rules", **RULE).location == f"{PAGE}#trust"
    with site.context.db.read() as tx:
        (rule,) = rules.list_rules(tx)
    assert [str(each) for each in rule.conditions] == ["repository=acme/shop", "ref=refs/heads/main"]
    assert (rule.audience, rule.minutes, rule.once) == (site.context.settings.url, 10, True)
    assert "repository=acme/shop" in ada.get(PAGE).text
    ada.post(f"/trust-rules/{rule.id}/change", active="no")
    assert "Switch on" in ada.get(PAGE).text
    ada.post(f"/trust-rules/{rule.id}/remove")
    assert "No job is trusted" in ada.get(PAGE).text


@pytest.mark.parametrize("conditions", ["ref=refs/heads/main", "repository", ""])
def test_a_trust_rule_that_everybody_could_fulfil_is_refused(site: Site, ada: Browser, conditions: str) -> None:
    deployer(site)
    page = ada.post("/trust-rules", **(RULE | {"conditions": conditions}))
    assert page.status == 422
    assert 'value="shop-main"' in page.html


def test_members_see_no_such_page_in_the_menu_and_change_nothing(site: Site, ada: Browser) -> None:
    ada.post(PAGE, **FORM)
    ben = site.browser(site.user("ben@example.com", role="member"))
    assert PAGE not in ben.get("/").html
    assert ben.post(PAGE, **(FORM | {"name": "evil"})).status == 403
    assert ben.post(f"{PAGE}/{only(site).id}/remove").status == 403
    assert ben.post("/trust-rules", **RULE).status == 403
    assert only(site).name == "company"
    assert site.browser().get(PAGE).status == 303


def test_nothing_is_changed_without_the_sessions_token(site: Site, ada: Browser) -> None:
    ada.csrf = "made-up"
    assert ada.post(PAGE, **FORM).status == 403
    with site.context.db.read() as tx:
        assert providers.list_providers(tx) == []

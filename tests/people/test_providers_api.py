"""Sign-in providers over HTTP: set up, changed, tested, removed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.access.federation.provider import DISCOVERY, Provider, running
from tests.people.callers import Callers, callers
from tests.portal.site import Site
from tests.world import SOURCE

BODY = {
    "name": "company",
    "issuer": "https://login.example.com/realms/a",
    "client_id": "highroad",
    "client_secret": "s3cret-value",
    "domains": ["Example.com", "@example.com"],
}


@pytest.fixture
def api(site: Site) -> Callers:
    return callers(site)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with running() as served:
        yield served


def set_up(api: Callers, **more: Any) -> dict[str, Any]:
    answer = api.admin.post("/sign-in-providers", json=BODY | more)
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def events(api: Callers, kind: str) -> list[dict[str, Any]]:
    items = api.admin.get("/events", params={"page_size": 200}).json()["items"]
    return [each for each in items if each["type"].endswith(kind)]


def test_a_new_provider_says_which_address_to_register_and_keeps_its_secret(api: Callers) -> None:
    made = set_up(api, groups=[{"group": "dev-*", "team": "*"}], group_claim="groups")
    assert made["redirect_uri"] == f"{SOURCE}/sign-in/with/company/callback"
    assert (made["domains"], made["has_secret"], made["title"]) == (["example.com"], True, "company")
    assert made["scopes"] == ["openid", "email", "profile"]
    everything = api.admin.get("/sign-in-providers").text + str(events(api, ""))
    assert "s3cret-value" not in everything
    assert api.admin.get("/sign-in-providers/company").json()["groups"] == [{"group": "dev-*", "team": "*"}]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"name": "Not a name"}, "/name"),
        ({"name": "x" * 33}, "/name"),
        ({"issuer": "http://login.example.com"}, "/issuer"),
        ({"issuer": "https://login.example.com/?a=b"}, "/issuer"),
        ({"client_id": ""}, "/client_id"),
        ({"scopes": ["email"]}, "/scopes"),
        ({"scopes": ["openid", "a b"]}, "/scopes"),
        ({"domains": ["com"]}, "/domains"),
        ({"domains": ["*.example.com"]}, "/domains"),
        ({"email_trust": "never"}, "/email_trust"),
        ({"email_trust": "always", "domains": []}, "/domains"),
        ({"groups": [{"group": "a", "team": "b"}]}, "/group_claim"),
        ({"groups": [{"group": "", "team": "b"}], "group_claim": "groups"}, "/groups"),
        ({"groups": [{"group": "a", "team": "Not A Team"}], "group_claim": "groups"}, "/groups"),
        ({"title": "two\nlines"}, "/title"),
    ],
)
def test_what_makes_no_sense_or_trusts_too_much_is_refused(api: Callers, change: dict[str, Any], pointer: str) -> None:
    answer = api.admin.post("/sign-in-providers", json=BODY | change)
    assert answer.status_code == 422, answer.text
    assert pointer in [each["pointer"] for each in answer.json()["errors"]]


def test_two_providers_of_one_name_are_a_conflict(api: Callers) -> None:
    set_up(api)
    assert api.admin.post("/sign-in-providers", json=BODY).status_code == 409


def test_a_change_is_an_event_with_the_difference_and_no_secret(api: Callers) -> None:
    set_up(api)
    change = {"creates_users": True, "domains": ["example.org"], "client_secret": "n3w-secret"}
    changed = api.admin.patch("/sign-in-providers/company", json=change).json()
    assert (changed["creates_users"], changed["domains"]) == (True, ["example.org"])
    (event,) = events(api, "signinprovider.modified.0.1.0")
    custom = event["data"]["customData"]
    assert custom["before"]["domains"] == ["example.com"]
    assert custom["after"]["domains"] == ["example.org"]
    assert "client_secret" in custom["after"]
    assert "n3w" not in str(event)


def test_the_issuer_stays(api: Callers) -> None:
    """Another issuer's subjects are other people."""
    set_up(api)
    change = {"issuer": "https://evil.example"}
    assert api.admin.patch("/sign-in-providers/company", json=change).status_code == 422


def test_a_change_is_checked_as_a_new_provider_is(api: Callers) -> None:
    set_up(api)
    change: dict[str, Any] = {"email_trust": "always", "domains": []}
    assert api.admin.patch("/sign-in-providers/company", json=change).status_code == 422


def test_a_removed_provider_is_gone(api: Callers) -> None:
    set_up(api)
    assert api.admin.delete("/sign-in-providers/company").status_code == 204
    assert api.admin.get("/sign-in-providers/company").status_code == 404
    assert len(events(api, "signinprovider.deleted.0.1.0")) == 1


def test_members_change_nothing(api: Callers) -> None:
    set_up(api)
    for method, path in (("POST", ""), ("PATCH", "/company"), ("DELETE", "/company"), ("POST", "/company/test")):
        answer = api.member.request(method, f"/sign-in-providers{path}", json=BODY if not path else {})
        assert answer.status_code in (403, 404), (method, path)
    assert api.nobody.get("/sign-in-providers").status_code == 401


# The test of a provider


def look_at(api: Callers, provider: Provider, **options: Any) -> dict[str, Any]:
    set_up(api, issuer=provider.url, **options)
    found: dict[str, Any] = api.admin.post("/sign-in-providers/company/test", json={}).json()
    return found


def test_a_provider_that_answers_as_it_should_works(api: Callers, provider: Provider) -> None:
    found = look_at(api, provider)
    assert (found["works"], {each["state"] for each in found["findings"]}) == (True, {"good"})
    assert any("publishes: 1" in each["what"] for each in found["findings"])


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"issuer": "https://other.example"}, "other.example"),
        ({"token_endpoint": None}, "no token endpoint"),
        ({"authorization_endpoint": "javascript:1"}, "authorization endpoint"),
        ({"id_token_signing_alg_values_supported": ["HS256"]}, "HS256"),
        ({"jwks_uri": "http://127.0.0.1:1/keys"}, "127.0.0.1:1"),
    ],
)
def test_what_is_wrong_with_a_provider_is_said(
    api: Callers, provider: Provider, metadata: dict[str, Any], said: str
) -> None:
    provider.metadata = metadata
    found = look_at(api, provider)
    assert found["works"] is False
    bad = [each for each in found["findings"] if each["state"] == "bad"]
    assert said in bad[0]["what"]
    assert bad[0]["next_step"]


@pytest.mark.parametrize(
    ("metadata", "options", "said"),
    [
        ({"code_challenge_methods_supported": ["plain"]}, {}, "PKCE"),
        ({"token_endpoint_auth_methods_supported": ["private_key_jwt"]}, {}, "private_key_jwt"),
        ({}, {"client_secret": None}, "none"),
    ],
)
def test_what_may_not_work_is_a_warning(
    api: Callers, provider: Provider, metadata: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    provider.metadata = metadata
    found = look_at(api, provider, **options)
    (warning,) = [each for each in found["findings"] if each["state"] == "warning"]
    assert (found["works"], said in warning["what"]) == (True, True)


def test_the_test_takes_nothing_from_before(api: Callers, provider: Provider) -> None:
    assert look_at(api, provider)["works"]
    provider.answers[DISCOVERY] = (404, {}, b"{}")
    again = api.admin.post("/sign-in-providers/company/test", json={}).json()
    assert (again["works"], "404" in again["findings"][0]["what"]) == (False, True)

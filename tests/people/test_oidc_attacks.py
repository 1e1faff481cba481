"""Attacks on a sign-in with a provider: on its answer and on its identity token."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import update

from highroad.access.federation import store
from highroad.access.federation.model import Provider as SetUp
from highroad.kit.clock import now, rfc3339
from highroad.people.oidc_pages import COOKIE
from tests.access.federation.provider import (
    CLIENT_ID,
    Provider,
    ec,
    rsa,
    running,
    signed,
    unsigned,
)
from tests.people.oidc import (
    ADA,
    come_back,
    company,
    depart,
    found,
    provider,
    refused,
    set_up,
    sign_in,
)
from tests.portal.site import Browser, Site

__all__ = ["company", "provider"]

# Attacks on the answer


@pytest.mark.usefixtures("company")
def test_an_answer_is_taken_once(anyone: Browser, provider: Provider) -> None:
    answer = provider.authorize(depart(anyone), **ADA)
    assert come_back(anyone, answer).status == 303
    refused(come_back(anyone, answer), "finished before")
    assert provider.asked["/token"] == 1


@pytest.mark.usefixtures("company")
def test_a_code_is_taken_once_also_with_a_new_state(anyone: Browser, provider: Provider) -> None:
    answer = provider.authorize(depart(anyone), **ADA)
    come_back(anyone, answer)
    fresh = provider.authorize(depart(anyone), **ADA)
    refused(come_back(anyone, fresh | {"code": answer["code"]}), "used before")


@pytest.mark.usefixtures("company")
def test_an_answer_that_another_browser_asked_for_is_refused(site: Site, anyone: Browser, provider: Provider) -> None:
    """Sign-in CSRF: an attacker's own answer, sent to a victim."""
    answer = provider.authorize(depart(anyone), **ADA)
    victim = site.browser()
    refused(come_back(victim, answer), "another browser")
    depart(victim)
    refused(come_back(victim, answer), "another browser")
    assert provider.asked["/token"] == 0


@pytest.mark.usefixtures("company")
def test_two_cookies_of_one_name_are_refused(anyone: Browser, provider: Provider) -> None:
    answer = provider.authorize(depart(anyone), **ADA)
    cookie = anyone.client.cookies[COOKIE]
    response = anyone.client.get(
        "/sign-in/with/company/callback", params=answer, headers={"cookie": f"{COOKIE}={cookie}; {COOKIE}=planted"}
    )
    assert response.status_code == 400


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize("change", [{"state": ""}, {"state": "made-up"}, {"code": ""}, {"code": "x" * 5000}])
def test_an_answer_without_its_state_or_code_is_refused(
    anyone: Browser, provider: Provider, change: dict[str, str]
) -> None:
    answer = provider.authorize(depart(anyone), **ADA)
    assert come_back(anyone, answer | change).status == 401
    assert provider.asked["/token"] == 0


@pytest.mark.usefixtures("company")
def test_an_answer_that_says_something_twice_is_refused(anyone: Browser, provider: Provider) -> None:
    answer = provider.authorize(depart(anyone), **ADA)
    response = anyone.client.get(
        f"/sign-in/with/company/callback?state={answer['state']}&code={answer['code']}&code=other"
    )
    assert response.status_code == 401


@pytest.mark.usefixtures("company")
def test_an_answer_after_ten_minutes_is_refused(site: Site, anyone: Browser, provider: Provider) -> None:
    answer = provider.authorize(depart(anyone), **ADA)
    with site.context.db.begin() as tx:
        tx.execute(update(store.attempts).values(created_at=rfc3339(now() - store.ATTEMPT_LIFE)))
    refused(come_back(anyone, answer), "ten minutes")


def test_mixed_up_providers_are_told_apart_by_the_redirect_address(
    site: Site, anyone: Browser, provider: Provider, company: SetUp
) -> None:
    with running() as evil:
        set_up(site, evil, name="evil")
        answer = provider.authorize(depart(anyone), **ADA)
        refused(come_back(anyone, answer, "evil"), "another browser")
        assert evil.asked["/token"] == 0, "the code of the honest provider never reaches the other one"


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize("named", [None, "https://evil.example", ""])
def test_a_provider_that_names_itself_must_be_the_one_that_was_asked(
    anyone: Browser, provider: Provider, named: str | None
) -> None:
    provider.metadata["authorization_response_iss_parameter_supported"] = True
    answer = provider.authorize(depart(anyone), **ADA)
    assert come_back(anyone, answer).status == 303
    answer = provider.authorize(depart(anyone), **ADA)
    changed = {name: value for name, value in (answer | {"iss": named}).items() if value is not None}
    refused(come_back(anyone, changed), "not from")
    assert provider.asked["/token"] == 1


@pytest.mark.usefixtures("company")
def test_a_wrong_issuer_is_refused_even_where_none_is_announced(anyone: Browser, provider: Provider) -> None:
    answer = provider.authorize(depart(anyone), **ADA)
    refused(come_back(anyone, answer | {"iss": "https://evil.example"}), "not from")


# Attacks on the identity token


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"aud": "another-app"}, "(aud)"),
        ({"aud": [CLIENT_ID, "another-app"]}, "(azp)"),
        ({"azp": "another-app"}, "(azp)"),
        ({"iss": "https://evil.example"}, "another issuer"),
        ({"exp": 1}, "expired"),
        ({"iat": time.time() + 3600}, "future"),
        ({"nonce": "of-another-sign-in"}, "(nonce)"),
        ({"at_hash": "AAAA"}, "(at_hash)"),
        ({"sub": ""}, "about whom"),
    ],
)
def test_an_identity_token_that_does_not_hold_is_refused(
    site: Site, anyone: Browser, provider: Provider, claims: dict[str, Any], said: str
) -> None:
    provider.claims = claims
    refused(sign_in(anyone, provider), said)
    assert found(site, "ada@example.com") is None


@pytest.mark.usefixtures("company")
@pytest.mark.parametrize(
    "forge",
    [
        lambda claims: unsigned(claims, {"alg": "none"}),
        lambda claims: unsigned(claims, {"alg": "HS256", "kid": "one"}, b"x" * 32),
        lambda claims: signed(claims, rsa("attacker"), kid="one"),
        lambda claims: signed(claims, rsa("attacker")),
        lambda claims: signed(claims, ec("two"), "ES256", kid="one"),
        lambda claims: "no.token.atall",
    ],
)
def test_a_forged_identity_token_is_refused(site: Site, anyone: Browser, provider: Provider, forge: Any) -> None:
    provider.forge = forge
    refused(sign_in(anyone, provider), "identity token")
    assert found(site, "ada@example.com") is None


@pytest.mark.usefixtures("company")
def test_a_replayed_identity_token_of_an_earlier_sign_in_is_refused(
    site: Site, anyone: Browser, provider: Provider
) -> None:
    kept: list[str] = []

    def keep(claims: dict[str, Any]) -> str:
        kept.append(provider.sign(claims))
        return kept[0]

    provider.forge = keep
    assert sign_in(anyone, provider).status == 303
    refused(sign_in(site.browser(), provider), "(nonce)")


@pytest.mark.usefixtures("company")
def test_an_algorithm_that_the_provider_did_not_announce_is_refused(anyone: Browser, provider: Provider) -> None:
    provider.metadata["id_token_signing_alg_values_supported"] = ["ES256"]
    refused(sign_in(anyone, provider), "does not announce")


@pytest.mark.usefixtures("company")
def test_new_keys_of_the_provider_are_taken_up(site: Site, anyone: Browser, provider: Provider) -> None:
    sign_in(anyone, provider)
    provider.keys = [rsa("rotated")]
    assert sign_in(anyone, provider).status == 303

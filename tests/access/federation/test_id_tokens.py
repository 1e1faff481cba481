"""Identity tokens: what is accepted, and every way in which one is forged."""

from __future__ import annotations

import hashlib
import hmac as hmac_module
import json
from typing import Any

import pytest
from joserfc.jwk import OctKey

from highroad.access.federation.failures import BadIdToken
from highroad.access.federation.id_tokens import (
    LEEWAY,
    PublicKey,
    fingerprint,
    half_hash,
    header_of,
    unverified,
    verify,
)
from highroad.access.federation.issuers import read_keys
from tests.access.federation.provider import Key, ec, ed, rsa, signed, unsigned

NOW = 1_800_000_000
ISSUER = "https://login.example.com"
CLAIMS = {"iss": ISSUER, "sub": "1", "aud": "highroad", "iat": NOW, "exp": NOW + 300}


def public(key: Key) -> PublicKey:
    return read_keys({"keys": [key.as_dict(private=False)]})[0]


def check(token: str, key: Key | None = None, **more: Any) -> dict[str, Any]:
    wanted: dict[str, Any] = {"issuer": ISSUER, "audience": "highroad", "at": NOW} | more
    return verify(token, public(key or rsa("one")), **wanted)


def why(token: str, key: Key | None = None, **more: Any) -> str:
    with pytest.raises(BadIdToken) as refused:
        check(token, key, **more)
    return refused.value.detail


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa("one"), "RS256"),
        (rsa("one"), "PS384"),
        (ec("two"), "ES256"),
        (ed("three"), "EdDSA"),
        (ed("three"), "Ed25519"),
    ],
)
def test_a_token_signed_by_an_asymmetric_algorithm_is_accepted(key: Key, algorithm: str) -> None:
    assert check(signed(CLAIMS, key, algorithm), key) == CLAIMS


# Algorithm confusion


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "HS512", "ES256K", "", "RS1"])
def test_algorithms_that_are_not_in_the_list_are_refused_before_any_key_is_looked_at(algorithm: str) -> None:
    assert "not accepted" in why(unsigned(CLAIMS, {"alg": algorithm, "kid": "one"}))


def test_the_public_key_is_no_secret_to_sign_with() -> None:
    """HS256 with the PEM of the public key: the classic confusion."""
    header = {"alg": "HS256", "kid": "one"}
    text = unsigned(CLAIMS, header).rpartition(".")[0]
    for secret in (rsa("one").as_pem(private=False), json.dumps(rsa("one").as_dict(private=False)).encode()):
        signature = hmac_module.digest(secret, text.encode(), hashlib.sha256)
        assert "not accepted" in why(unsigned(CLAIMS, header, signature))


def test_a_symmetric_key_in_a_key_set_is_left_out() -> None:
    shared = OctKey.import_key("x" * 32, {"kid": "shared"})
    assert read_keys({"keys": [shared.as_dict(), rsa("one").as_dict(private=False)]}) == (public(rsa("one")),)


def test_an_algorithm_of_another_kind_of_key_is_refused() -> None:
    token = signed(CLAIMS, ec("two"), "ES256", kid="one")
    assert "not that of the key" in why(token, rsa("one"))


def test_a_key_that_is_for_one_algorithm_is_not_used_for_another() -> None:
    data = rsa("one").as_dict(private=False) | {"alg": "RS256"}
    with pytest.raises(BadIdToken, match="not that of the key"):
        verify(
            signed(CLAIMS, rsa("one"), "PS256"),
            read_keys({"keys": [data]})[0],
            issuer=ISSUER,
            audience="highroad",
            at=NOW,
        )


def test_a_key_that_the_token_brings_along_is_ignored() -> None:
    own = rsa("attacker")
    token = signed(CLAIMS, own, jwk=own.as_dict(private=False), kid="one")
    assert "signature" in why(token)


def test_a_header_that_must_be_understood_and_is_not_refuses_the_token() -> None:
    token = signed(CLAIMS, rsa("one"))
    header, payload, signature = token.split(".")
    forged = unsigned(CLAIMS, {"alg": "RS256", "kid": "one", "crit": ["exp2"], "exp2": 1}).split(".")[0]
    assert "signature" in why(f"{forged}.{payload}.{signature}")
    assert header != forged


@pytest.mark.parametrize("kind", ["at+jwt", "logout+jwt", "dpop+jwt", 7])
def test_another_type_of_token_is_refused(kind: object) -> None:
    assert "type" in why(unsigned(CLAIMS, {"alg": "RS256", "kid": "one", "typ": kind}))


def test_a_changed_claim_breaks_the_signature() -> None:
    header, _, signature = signed(CLAIMS, rsa("one")).split(".")
    payload = unsigned(CLAIMS | {"sub": "2"}, {}).split(".")[1]
    assert "signature" in why(f"{header}.{payload}.{signature}")


# Claims


@pytest.mark.parametrize(
    ("claims", "reason"),
    [
        ({"iss": "https://login.example.com/"}, "another issuer"),
        ({"iss": None}, "another issuer"),
        ({"sub": ""}, "about whom"),
        ({"sub": 5}, "about whom"),
        ({"sub": "x" * 256}, "about whom"),
        ({"sub": "nul\0"}, "about whom"),
        ({"aud": "someone-else"}, "aud"),
        ({"aud": None}, "aud"),
        ({"aud": []}, "aud"),
        ({"aud": ["highroad", "other"]}, "azp"),
        ({"azp": "other"}, "azp"),
        ({"exp": NOW - LEEWAY}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "soon"}, "exp"),
        ({"exp": True}, "exp"),
        ({"exp": 1e300}, "exp"),
        ({"iat": None}, "iat"),
        ({"iat": NOW + LEEWAY + 1}, "future"),
        ({"nbf": NOW + LEEWAY + 1}, "future"),
        ({"nbf": "x"}, "nbf"),
    ],
)
def test_claims_that_do_not_hold_are_named(claims: dict[str, Any], reason: str) -> None:
    assert reason in why(signed(CLAIMS | claims, rsa("one")))


def test_times_that_are_no_numbers_are_refused() -> None:
    token = signed(CLAIMS | {"exp": float("nan")}, rsa("one"))
    assert "exp" in why(token)


def test_clocks_may_differ_a_little() -> None:
    assert check(signed(CLAIMS | {"iat": NOW + LEEWAY - 1}, rsa("one")))
    assert check(signed(CLAIMS | {"exp": NOW - LEEWAY + 1}, rsa("one")))


def test_several_audiences_are_accepted_when_the_token_was_given_to_us() -> None:
    assert check(signed(CLAIMS | {"aud": ["highroad", "other"], "azp": "highroad"}, rsa("one")))


def test_a_workload_has_a_single_audience_and_may_be_authorized_by_anybody() -> None:
    assert check(signed(CLAIMS | {"azp": "other"}, rsa("one")), workload=True)
    several = CLAIMS | {"aud": ["highroad", "other"], "azp": "highroad"}
    assert "aud" in why(signed(several, rsa("one")), workload=True)


@pytest.mark.parametrize("nonce", [None, "", "another", 5])
def test_the_answer_to_another_sign_in_is_refused(nonce: object) -> None:
    assert "nonce" in why(signed(CLAIMS | {"nonce": nonce}, rsa("one")), nonce="mine")


def test_the_access_token_beside_it_must_be_its_own_where_it_says_which() -> None:
    token = signed(CLAIMS | {"at_hash": half_hash("mine", "RS256")}, rsa("one"))
    assert check(token, access_token="mine")
    assert "at_hash" in why(token, access_token="another")


def test_the_half_hash_is_that_of_the_specification() -> None:
    """OpenID Connect Core 1.0, A.3."""
    assert half_hash("jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y", "RS256") == "77QmUPtjPfzWtF2AnpK9RQ"


# What is no token


@pytest.mark.parametrize("text", ["", "a", "a.b", "a.b.c", "....", "é.é.é", "e30.e30.", "W10.e30.x", "x" * 200_000])
def test_what_is_no_token_is_refused(text: str) -> None:
    with pytest.raises(BadIdToken):
        header_of(text)


def test_deep_nesting_is_no_token() -> None:
    deep = unsigned({}, {}).split(".")[0]
    nested = "W1tb" * 20_000
    with pytest.raises(BadIdToken):
        unverified(f"{deep}.{nested}.x")


def test_a_token_with_another_signature_has_the_same_fingerprint() -> None:
    token = signed(CLAIMS, ec("two"), "ES256")
    assert fingerprint(token) == fingerprint(signed(CLAIMS, ec("two"), "ES256"))
    assert fingerprint(token) != fingerprint(signed(CLAIMS | {"sub": "2"}, ec("two"), "ES256"))

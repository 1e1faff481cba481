"""What issuers publish: discovery, keys and their rotation."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from highroad.access.federation.failures import BadIdToken, ProviderMisbehaves, ProviderUnreachable
from highroad.access.federation.id_tokens import Header
from highroad.access.federation.issuers import FRESH, PENALTY, REST, Issuers, read_keys, read_metadata
from tests.access.federation.provider import DISCOVERY, Provider, ec, rsa

Found = TypeVar("Found")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def run(asking: Coroutine[Any, Any, Found]) -> Found:
    return asyncio.run(asking)


def test_addresses_and_keys_are_asked_for_once_and_then_kept_a_while(provider: Provider) -> None:
    clock = Clock()
    issuers = Issuers(clock=clock)
    for _ in range(3):
        assert run(issuers.metadata(provider.url)).token_endpoint == f"{provider.url}/token"
        assert run(issuers.key(provider.url, Header("RS256", "one"))).kid == "one"
    assert (provider.asked[DISCOVERY], provider.asked["/keys"]) == (1, 1)
    clock.now += FRESH + 1
    run(issuers.key(provider.url, Header("RS256", "one")))
    assert (provider.asked[DISCOVERY], provider.asked["/keys"]) == (2, 2)


def test_many_at_the_same_time_wait_for_one_answer(provider: Provider) -> None:
    issuers = Issuers()

    async def together() -> None:
        await asyncio.gather(*(issuers.key(provider.url, Header("RS256", "one")) for _ in range(20)))

    run(together())
    assert (provider.asked[DISCOVERY], provider.asked["/keys"]) == (1, 1)


def test_a_new_key_is_found_at_once(provider: Provider) -> None:
    issuers = Issuers(clock=Clock())
    run(issuers.key(provider.url, Header("RS256", "one")))
    provider.keys = [rsa("new")]
    assert run(issuers.key(provider.url, Header("RS256", "new"))).kid == "new"
    with pytest.raises(BadIdToken):
        run(issuers.key(provider.url, Header("RS256", "one")))


def test_strangers_cannot_make_us_hammer_the_issuer(provider: Provider) -> None:
    clock = Clock()
    issuers = Issuers(clock=clock)
    for number in range(10):
        with pytest.raises(BadIdToken, match="does not publish"):
            run(issuers.key(provider.url, Header("RS256", f"made-up-{number}")))
    assert provider.asked["/keys"] == 2
    clock.now += REST + 1
    with pytest.raises(BadIdToken):
        run(issuers.key(provider.url, Header("RS256", "made-up")))
    assert provider.asked["/keys"] == 3


def test_an_issuer_that_failed_is_left_alone_for_some_seconds(provider: Provider) -> None:
    clock = Clock()
    issuers = Issuers(clock=clock)
    provider.answers[DISCOVERY] = (503, {}, b"")
    for _ in range(3):
        with pytest.raises(ProviderUnreachable, match="503"):
            run(issuers.metadata(provider.url))
    assert provider.asked[DISCOVERY] == 1
    provider.answers.clear()
    clock.now += PENALTY
    assert run(issuers.metadata(provider.url)).issuer == provider.url


def test_the_issuer_must_be_the_same_letter_by_letter() -> None:
    whole = {"issuer": "https://a.example/", "jwks_uri": "https://a.example/keys"}
    with pytest.raises(ProviderMisbehaves, match=r"https://a\.example/"):
        read_metadata("https://a.example", whole)
    assert read_metadata("https://a.example/", whole).issuer == "https://a.example/"


@pytest.mark.parametrize("change", [{"issuer": None}, {"jwks_uri": None}, {"jwks_uri": 5}, {"jwks_uri": "x" * 501}])
def test_incomplete_metadata_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ProviderMisbehaves):
        read_metadata("https://a.example", {"issuer": "https://a.example", "jwks_uri": "https://a.example/k"} | change)


def test_a_provider_that_signs_with_shared_secrets_alone_is_refused() -> None:
    document = {"issuer": "x", "jwks_uri": "y", "id_token_signing_alg_values_supported": ["HS256", "none"]}
    with pytest.raises(ProviderMisbehaves, match="HS256"):
        read_metadata("x", document)
    some = document | {"id_token_signing_alg_values_supported": ["HS256", "ES256"]}
    assert read_metadata("x", some).algorithms == ("ES256",)


def test_what_cannot_be_used_in_a_key_set_is_left_out() -> None:
    weak = {"kty": "RSA", "kid": "weak", "n": "v" * 171, "e": "AQAB"}
    encrypting = rsa("one").as_dict(private=False) | {"use": "enc"}
    rest: list[Any] = [5, {}, {"kty": "EC"}, {"kty": "AKP"}, {"kty": "RSA", "n": "!", "e": 3}, weak, encrypting]
    assert read_keys({"keys": [*rest, ec("two").as_dict(private=False)]})[0].kid == "two"
    assert read_keys({"keys": rest}) == ()


def test_private_parts_that_an_issuer_publishes_by_mistake_are_not_read() -> None:
    (key,) = read_keys({"keys": [rsa("one").as_dict(private=True)]})
    assert not key.is_private


def test_without_a_key_id_only_a_single_fitting_key_is_meant(provider: Provider) -> None:
    provider.keys = [rsa("one"), ec("two")]
    issuers = Issuers()
    assert run(issuers.key(provider.url, Header("ES256", None))).kid == "two"
    provider.keys = [rsa("one"), rsa("new")]
    with pytest.raises(BadIdToken):
        run(Issuers().key(provider.url, Header("RS256", None)))

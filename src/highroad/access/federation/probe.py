"""Looks at a provider as a sign-in would, as far as that goes without a person, and says what is wrong.

Called by `highroad providers test`, the API and the portal, with no transaction open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from highroad.access.federation.issuers import DISCOVERY, Issuers, Metadata, read_keys, read_metadata
from highroad.access.federation.model import Provider
from highroad.access.federation.outside import fault_of, is_loopback_url
from highroad.errors import HighroadError

State = Literal["good", "warning", "bad"]


@dataclass(frozen=True, slots=True)
class Finding:
    state: State
    what: str
    next_step: str = ""


async def probe(provider: Provider, issuers: Issuers) -> list[Finding]:
    """What was found, in the order of a sign-in. Nothing is taken from what was fetched before."""
    outside = issuers.outside(provider.issuer)
    try:
        metadata = read_metadata(provider.issuer, await outside.get(f"{provider.issuer.rstrip('/')}{DISCOVERY}"))
    except HighroadError as error:
        return [Finding("bad", error.detail, error.next_step)]
    found = [Finding("good", f"{provider.issuer} describes itself under {DISCOVERY}.")]
    try:
        keys = read_keys(await outside.get(metadata.jwks_uri))
    except HighroadError as error:
        found.append(Finding("bad", error.detail, error.next_step))
    else:
        found.append(
            Finding("good", f"Highroad can use the keys that it publishes: {len(keys)}.")
            if keys
            else Finding("bad", "None of its keys can be used.", "It needs an RSA key of 2048 bits, or an EC key.")
        )
    return [*found, *_endpoints(provider, metadata), *_manners(provider, metadata)]


def _endpoints(provider: Provider, metadata: Metadata) -> list[Finding]:
    found = []
    for what, address in (
        ("authorization endpoint", metadata.authorization_endpoint),
        ("token endpoint", metadata.token_endpoint),
    ):
        if address is None:
            found.append(Finding("bad", f"It names no {what}.", "Is this provider meant for signing people in?"))
        elif fault := fault_of(address, plain=is_loopback_url(provider.issuer)):
            found.append(Finding("bad", f"Its {what} {fault}.", "Let the provider name an https address."))
    return found


def _manners(provider: Provider, metadata: Metadata) -> list[Finding]:
    found = [Finding("good", f"It signs identity tokens with {', '.join(metadata.algorithms)}.")]
    if metadata.pkce_methods is not None and "S256" not in metadata.pkce_methods:
        found.append(Finding("warning", "It does not announce PKCE with S256.", "Highroad uses it all the same."))
    methods = {"client_secret_basic", "client_secret_post"} if provider.has_secret else {"none"}
    if not methods & set(metadata.auth_methods):
        wanted = " or ".join(sorted(methods))
        listed = ", ".join(metadata.auth_methods)
        advice = "Choose one of these there." if provider.has_secret else "Give the provider's client secret."
        found.append(Finding("warning", f"It announces {listed}, and Highroad signs in by {wanted}.", advice))
    if metadata.end_session_endpoint is not None:
        found.append(Finding("good", "It can be signed out of, which Highroad offers after a sign-out."))
    if not metadata.issuer_in_answer:
        found.append(Finding("good", "It does not name itself in its answers; the redirect address tells it apart."))
    return found

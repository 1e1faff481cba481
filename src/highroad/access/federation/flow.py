"""The authorization code flow with PKCE (RFC 6749, 4.1; RFC 7636; OpenID Connect Core, 3.1), seen from our side.

Called by the portal's sign-in pages, with no transaction open: the provider may be slow. What is ours to remember
between the two halves is an `Attempt`. Mixed-up providers are told apart twice: each has a redirect address of its own,
and whoever names itself in the answer (RFC 9207) must be the one that was asked.
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Mapping
from urllib.parse import quote_plus, urlencode, urlsplit

from highroad.access.federation.failures import BadIdToken, ProviderMisbehaves, ProviderRefused, StaleSignIn
from highroad.access.federation.id_tokens import LONGEST_TOKEN, Claims, header_of, verify
from highroad.access.federation.issuers import Issuers, Metadata
from highroad.access.federation.model import Attempt, Person, Provider, person_of
from highroad.access.federation.outside import fault_of, is_loopback_url

LONGEST_CODE = 4096
_WHY = {
    "access_denied": "The sign-in was refused there, by you or by a rule of your company.",
    "login_required": "The provider wants you to sign in there first.",
    "consent_required": "The provider wants your consent, which was not given.",
    "temporarily_unavailable": "The provider is overloaded or being maintained.",
    "unauthorized_client": "The provider does not let Highroad sign people in like this.",
    "invalid_scope": "The provider does not know one of the scopes that Highroad asks for.",
}


def authorization_url(provider: Provider, metadata: Metadata, attempt: Attempt, *, redirect_uri: str) -> str:
    """Where to send the browser. Raises `ProviderMisbehaves` when the provider has no place for it."""
    endpoint = metadata.authorization_endpoint
    if endpoint is None or fault_of(endpoint, plain=is_loopback_url(provider.issuer)) is not None:
        raise ProviderMisbehaves(
            f"{provider.issuer} has no usable authorization endpoint.",
            next_step="An administrator can look closer: highroad providers test",
        )
    asked = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(provider.scopes),
        "state": attempt.state,
        "nonce": attempt.nonce,
        "code_challenge": attempt.challenge,
        "code_challenge_method": "S256",
    }
    return _with_query(endpoint, asked)


async def finish(
    issuers: Issuers,
    provider: Provider,
    secret: str | None,
    attempt: Attempt,
    answer: Mapping[str, str],
    *,
    redirect_uri: str,
) -> tuple[Person, Metadata]:
    """Who signed in, from the query that the browser came back with.

    Raises `ProviderRefused` when the provider said no, `StaleSignIn` when the code does not hold (any more),
    `BadIdToken`, and what `Issuers` raises.
    """
    metadata = await issuers.metadata(provider.issuer)
    _check_sender(provider, metadata, answer)
    if "error" in answer:
        raise _refusal(provider, answer)
    code = answer.get("code", "")
    if not 0 < len(code) <= LONGEST_CODE:
        raise StaleSignIn("The provider sent you back without a code.", next_step="Sign in again.")
    id_token, access_token = await _redeem(issuers, provider, secret, metadata, attempt, code, redirect_uri)
    header = header_of(id_token)
    if header.algorithm not in metadata.algorithms:
        raise BadIdToken(
            f"The identity token is signed by {header.algorithm}, which {provider.issuer} does not announce.",
            next_step="Ask whoever runs the provider.",
        )
    claims = verify(
        id_token,
        await issuers.key(provider.issuer, header),
        issuer=provider.issuer,
        audience=provider.client_id,
        at=time.time(),
        nonce=attempt.nonce,
        access_token=access_token,
    )
    claims = await _completed(issuers, provider, metadata, claims, access_token)
    return person_of(claims, group_claim=provider.group_claim, id_token=id_token), metadata


def logout_url(provider: Provider, metadata: Metadata, *, id_token: str, back_to: str) -> str | None:
    """Where the person can sign out of the provider too (OpenID Connect RP-Initiated Logout 1.0), if it offers that."""
    endpoint = metadata.end_session_endpoint
    if endpoint is None or fault_of(endpoint, plain=is_loopback_url(provider.issuer)) is not None:
        return None
    return _with_query(
        endpoint,
        {"id_token_hint": id_token, "client_id": provider.client_id, "post_logout_redirect_uri": back_to},
    )


def _check_sender(provider: Provider, metadata: Metadata, answer: Mapping[str, str]) -> None:
    named = answer.get("iss")
    if named is None and not metadata.issuer_in_answer:
        return
    if named is None or not hmac.compare_digest(named.encode(), provider.issuer.encode()):
        raise StaleSignIn(
            f"This answer is not from {provider.issuer}, which was asked.",
            next_step="Sign in again. If it stays, tell an administrator: somebody may be mixing up providers.",
        )


def _refusal(provider: Provider, answer: Mapping[str, str]) -> ProviderRefused:
    code = _short(answer["error"], 60)
    said = _short(answer.get("error_description", ""), 200)
    why = _WHY.get(code, f"It says {code!r}.") + (f" In its words: {said}" if said else "")
    return ProviderRefused(
        f"{provider.title}: {why}", next_step="Sign in again, or ask whoever runs the provider to let you in."
    )


def _short(text: str, length: int) -> str:
    return "".join(each for each in text if each.isprintable())[:length]


async def _redeem(
    issuers: Issuers,
    provider: Provider,
    secret: str | None,
    metadata: Metadata,
    attempt: Attempt,
    code: str,
    redirect_uri: str,
) -> tuple[str, str]:
    """The identity token and the access token for the code, which the provider gives once."""
    outside = issuers.outside(provider.issuer)
    if metadata.token_endpoint is None:
        raise outside.misbehaves(f"{provider.issuer} has no token endpoint.")
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": attempt.verifier,
    }
    headers: dict[str, str] = {}
    if secret is not None and "client_secret_basic" in metadata.auth_methods:
        # RFC 6749, 2.3.1: both are form-encoded first.
        pair = f"{quote_plus(provider.client_id)}:{quote_plus(secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form["client_id"] = provider.client_id
        if secret is not None:
            form["client_secret"] = secret
    status, found = await outside.post(metadata.token_endpoint, form, headers)
    if status != 200:
        raise _not_redeemed(provider, status, _short(str(found.get("error", "")), 60))
    id_token, access_token = found.get("id_token"), found.get("access_token")
    if not isinstance(id_token, str) or not isinstance(access_token, str) or len(id_token) > LONGEST_TOKEN:
        raise outside.misbehaves(f"{provider.issuer} answers without an identity token. Is `openid` among the scopes?")
    return id_token, access_token


def _not_redeemed(provider: Provider, status: int, error: str) -> Exception:
    if error == "invalid_grant":
        return StaleSignIn(
            f"{provider.title} does not accept the code: it was used before, or is too old.",
            next_step="Sign in again.",
        )
    if error in ("invalid_client", "unauthorized_client"):
        return ProviderMisbehaves(
            f"{provider.title} does not accept Highroad's client id or client secret.",
            next_step="An administrator sets them again on the page Sign-in.",
        )
    return ProviderMisbehaves(
        f"{provider.title} answers {status} {error!r} where it should give an identity token.",
        next_step="Sign in again. If it stays, an administrator compares the redirect address on both sides.",
    )


async def _completed(
    issuers: Issuers, provider: Provider, metadata: Metadata, claims: Claims, access_token: str
) -> Claims:
    """The claims with those that the provider tells only on request (OpenID Connect Core, 5.3)."""
    wanted = {"email", provider.group_claim.partition(".")[0]} - {""}
    if metadata.userinfo_endpoint is None or wanted <= claims.keys():
        return claims
    told = await issuers.outside(provider.issuer).get(
        metadata.userinfo_endpoint, {"Authorization": f"Bearer {access_token}"}
    )
    if told.get("sub") != claims["sub"]:
        raise BadIdToken(
            f"{provider.title} tells about another person than the one that signed in.", next_step="Sign in again."
        )
    return told | claims


def _with_query(endpoint: str, values: Mapping[str, str]) -> str:
    return f"{endpoint}{'&' if urlsplit(endpoint).query else '?'}{urlencode(values)}"

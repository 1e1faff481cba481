"""What administrators do with trust rules, and how a job's identity becomes a token.

An exchange has three parts, because the issuer's keys are asked for with no transaction open: `store.rules_for` the
issuer that the token names, `identify` (the network), and `exchange`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy.exc import IntegrityError

from highroad.access import store as accounts
from highroad.access.federation.failures import BadIdToken
from highroad.access.federation.id_tokens import (
    LEEWAY,
    Claims,
    audiences_of,
    fingerprint,
    header_of,
    unverified,
    verify,
)
from highroad.access.federation.issuers import Issuers
from highroad.access.federation.outside import require_issuer
from highroad.access.model import Actor, Token, User
from highroad.access.permissions import require
from highroad.access.secrets import digest, new_token
from highroad.access.trust import patterns, store
from highroad.access.trust.failures import BadTrustRule, ExchangeRefused, NoSuchTrustRule, TrustRuleExists
from highroad.access.trust.model import (
    LONGEST_MINUTES,
    MOST_CONDITIONS,
    SCOPES,
    Condition,
    TrustRule,
    binds,
    told,
    unmet,
)
from highroad.db.engine import Transaction
from highroad.errors import FieldError
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.clock import now, rfc3339
from highroad.kit.ids import new_id
from highroad.kit.names import require_label

CHANGEABLE = frozenset({"audience", "conditions", "account", "scopes", "minutes", "once", "active"})
RECORDED_REFUSALS = 20
"""Of one network, every refusal is an event up to here; then each doubling, so that nobody fills the log at will."""


def add_rule(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    name: str,
    issuer: str,
    audience: str,
    conditions: Sequence[Condition],
    account: str,
    scopes: Sequence[str] = ("read", "write"),
    minutes: int = LONGEST_MINUTES,
    once: bool = True,
    active: bool = True,
) -> TrustRule:
    """`account` is the name or id of a service account. Raises `BadTrustRule` or `TrustRuleExists`."""
    require(actor, "federation:write")
    require_label(name, field="name")
    holder = _service_account(tx, account)
    made = TrustRule(
        new_id("trust"),
        name,
        require_issuer(issuer),
        audience,
        tuple(conditions),
        holder.id,
        holder.email,
        tuple(dict.fromkeys(scopes)),
        minutes,
        once,
        active,
        now(),
        None,
    )
    _check(made)
    try:
        with tx.connection.begin_nested():
            store.add_rule(tx, made)
    except IntegrityError as error:
        raise TrustRuleExists(f"{name} is a trust rule already.", next_step="highroad trust list") from error
    log.append(tx, Event(events.TRUST_CREATED, made.id, _content(made)), actor)
    return made


def change_rule(tx: Transaction, log: EventLog, actor: Actor, name_or_id: str, changes: Mapping[str, Any]) -> TrustRule:
    """Change what `changes` names, among `CHANGEABLE`. Tokens that were given already run out by themselves."""
    require(actor, "federation:write")
    assert changes.keys() <= CHANGEABLE, "the edge lets nothing else through"
    before = find(tx, name_or_id)
    after = replace(before, **changes)
    if "account" in changes:
        holder = _service_account(tx, changes["account"])
        after = replace(after, account=holder.id, account_name=holder.email)
    _check(after)
    store.update_rule(tx, after)
    log.append(tx, Event(events.TRUST_MODIFIED, after.id, {"name": after.name}, diff=_difference(before, after)), actor)
    return after


def remove_rule(tx: Transaction, log: EventLog, actor: Actor, name_or_id: str) -> None:
    require(actor, "federation:write")
    rule = find(tx, name_or_id)
    store.remove_rule(tx, rule.id)
    log.append(tx, Event(events.TRUST_DELETED, rule.id, _content(rule)), actor)


def find(tx: Transaction, name_or_id: str) -> TrustRule:
    rule = store.find_rule(tx, name_or_id)
    if rule is None:
        raise NoSuchTrustRule(f"No trust rule is called {name_or_id[:80]!r}.", next_step="highroad trust list")
    return rule


def _service_account(tx: Transaction, name_or_id: str) -> User:
    """Only a service account: a rule for a person would let whoever writes it act as that person."""
    by_name = accounts.user_by_email(tx, name_or_id)
    found = by_name[0] if by_name else accounts.user(tx, name_or_id)
    if found is None or found.kind != "service":
        raise BadTrustRule(
            f"{name_or_id[:80]!r} is not a service account.",
            next_step="Make one for the pipeline, and give it roles where it deploys.",
            errors=[FieldError("/account", "is not a service account")],
        )
    return found


def _check(rule: TrustRule) -> None:
    wrong: list[FieldError] = []

    def demand(holds: bool, field: str, detail: str) -> None:
        if not holds:
            wrong.append(FieldError(f"/{field}", detail))

    demand(0 < len(rule.audience) <= 500 and rule.audience.isprintable(), "audience", "1 to 500 characters")
    demand(0 < len(rule.conditions) <= MOST_CONDITIONS, "conditions", f"1 to {MOST_CONDITIONS}")
    for each in rule.conditions:
        plain = 0 < len(each.claim) <= 60 and each.claim.isprintable()
        demand(plain, "conditions", f"{each.claim[:60]!r} cannot be the name of a claim")
        fault = patterns.fault_of(each.pattern)
        demand(fault is None, "conditions", f"the pattern for {each.claim[:60]} {fault}")
    demand(
        binds(rule.conditions),
        "conditions",
        "one must say whose the jobs are, such as repository=acme/shop or project_path=acme/*",
    )
    demand(bool(rule.scopes) and set(rule.scopes) <= set(SCOPES), "scopes", f"among {', '.join(SCOPES)}")
    demand(1 <= rule.minutes <= LONGEST_MINUTES, "minutes", f"1 to {LONGEST_MINUTES}")
    if wrong:
        text = "; ".join(f"{each.pointer.lstrip('/')}: {each.detail}" for each in wrong)
        raise BadTrustRule(f"{text[:1000]}.", next_step="Correct it and send it again.", errors=wrong)


def _content(rule: TrustRule) -> dict[str, object]:
    return {
        "name": rule.name,
        "issuer": rule.issuer,
        "audience": rule.audience,
        "conditions": [str(each) for each in rule.conditions],
        "account": rule.account_name,
        "scopes": list(rule.scopes),
    }


def _difference(before: TrustRule, after: TrustRule) -> dict[str, tuple[object, object]]:
    changed: dict[str, tuple[object, object]] = {}
    for each in fields(TrustRule):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old != new:
            changed[each.name] = (_plain(old), _plain(new))
    return changed


def _plain(value: object) -> object:
    return [str(each) for each in value] if isinstance(value, tuple) else value


# Exchanging


def issuer_of(token: str) -> str:
    """Who the token says it is from, which nobody has verified. Raises `ExchangeRefused`."""
    try:
        issuer = unverified(token).get("iss")
    except BadIdToken as error:
        raise ExchangeRefused(error.detail, next_step="Send the job's identity token as subject_token.") from error
    return issuer if isinstance(issuer, str) else ""


async def identify(issuers: Issuers, rules: Sequence[TrustRule], token: str) -> tuple[TrustRule, Claims]:
    """The first of the rules, all of one issuer, that the token fulfils; and its claims, verified.

    Raises `ExchangeRefused`, and what `Issuers` raises when the issuer does not answer.
    """
    try:
        named = audiences_of(unverified(token))
        candidates = [rule for rule in rules if rule.audience in named]
        if not candidates:
            # The issuer is not asked for keys: there is nothing that they could open.
            raise ExchangeRefused(
                "No trust rule is for this issuer and this audience.",
                next_step="Compare the audience that the job asks for with the rule's: highroad trust list",
            )
        issuer, audience = candidates[0].issuer, candidates[0].audience
        key = await issuers.key(issuer, header_of(token))
        claims = verify(token, key, issuer=issuer, audience=audience, at=time.time(), workload=True)
    except BadIdToken as error:
        raise ExchangeRefused(error.detail, next_step=error.next_step) from error
    candidates = [rule for rule in candidates if rule.audience == audience]
    missing = {rule.name: unmet(rule, claims) for rule in candidates}
    fulfilled = next((rule for rule in candidates if not missing[rule.name]), None)
    if fulfilled is None:
        raise ExchangeRefused(
            f"No trust rule is fulfilled by {claims['sub'][:200]}.",
            next_step="An administrator sees in the event log which conditions did not hold: highroad events",
            claims=claims,
            unmet=missing,
        )
    return fulfilled, claims


def exchange(
    tx: Transaction, log: EventLog, rule_id: str, claims: Claims, token: str, *, address: str
) -> tuple[Token, str]:
    """A token of the rule's account for a job that `identify` knew, and its secret.

    Raises `ExchangeRefused` when the job's token was exchanged before, or rule or account are gone meanwhile.
    """
    rule = store.find_rule(tx, rule_id)
    account = accounts.user(tx, rule.account) if rule else None
    ends = datetime.fromtimestamp(float(claims["exp"]), UTC)
    if rule is None or not rule.active or account is None or not account.active:
        raise ExchangeRefused(
            "The rule or its service account was switched off.", next_step="Ask an administrator.", claims=claims
        )
    if ends <= now():
        raise ExchangeRefused("The job's token has expired.", next_step="Ask for a new one in the job.", claims=claims)
    if rule.once and not store.spend(tx, _mark(rule, claims, token), ends + timedelta(seconds=LEEWAY)):
        raise ExchangeRefused(
            "The job's token was exchanged before, and the rule takes each of them once.",
            next_step="Ask for a new one in the job; if the job did not do this, its token leaked.",
            claims=claims,
            unmet={rule.name: ["not exchanged before"]},
        )
    secret = new_token()
    made = accounts.add_token(
        tx,
        id=new_id("tok"),
        user_id=account.id,
        name=f"exchange {rule.name}: {claims['sub']}"[:120],
        digest=digest(secret),
        scopes=rule.scopes,
        expires_at=min(now() + timedelta(minutes=rule.minutes), ends),
    )
    store.note_use(tx, rule.id)
    assert made.expires_at is not None, "given above"
    who = Actor(account.id, account.email, "service", "api", address=address)
    content: dict[str, object] = {"rule": rule.name, "issuer": rule.issuer, "expires_at": rfc3339(made.expires_at)}
    content |= {"scopes": list(rule.scopes), "claims": told(claims, rule)}
    log.append(tx, Event(events.TOKEN_EXCHANGED, made.id, content), who)
    return made, secret


def note_refusal(tx: Transaction, log: EventLog, error: ExchangeRefused, *, issuer: str, address: str) -> None:
    """Keep who was refused and what each rule missed; claims only where the signature held."""
    key = f"exchange:{address[:64]}"
    accounts.note_failure(tx, key)
    count = (accounts.failures(tx, key) or (1, None))[0]
    if count > RECORDED_REFUSALS and count & (count - 1):
        return
    claims = error.claims or {}
    who = Actor("unknown", str(claims.get("sub", "unknown"))[:200], "service", "api", address=address)
    content: dict[str, object] = {"issuer": issuer[:200], "reason": error.detail[:500], "claims": told(claims)}
    content |= {"unmet": error.unmet, "refusals": count}
    log.append(tx, Event(events.EXCHANGE_REFUSED, "unknown", content, custom={"address": address}), who)


def _mark(rule: TrustRule, claims: Claims, token: str) -> str:
    """What tells a job's token from all others: its own id where it has one."""
    own = claims.get("jti")
    return digest(f"{rule.issuer}\0{own}") if isinstance(own, str) and own else fingerprint(token)

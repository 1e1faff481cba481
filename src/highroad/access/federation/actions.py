"""What administrators do with sign-in providers, and what a person does who comes in by one.

Every verb takes a transaction, the event log and the actor. Asking the provider is not here but in `flow`: no
transaction waits for somebody else's server.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from sqlalchemy.exc import IntegrityError

from highroad.access import actions as access
from highroad.access import invitation_actions, teams
from highroad.access import store as users
from highroad.access.actions import NewSession
from highroad.access.federation import store
from highroad.access.federation.failures import (
    BadProvider,
    EmailNotTrusted,
    NoSuchProvider,
    NotInvited,
    ProviderExists,
    ProviderNotVouched,
    StaleSignIn,
    UserDeactivated,
)
from highroad.access.federation.model import (
    EMAIL_TRUSTS,
    SAME_NAME,
    Attempt,
    GroupRule,
    Identity,
    Person,
    Provider,
    teams_for,
)
from highroad.access.federation.outside import require_issuer
from highroad.access.model import Actor, User
from highroad.access.permissions import require
from highroad.access.secrets import new_secret
from highroad.db.engine import Transaction
from highroad.errors import FieldError, HighroadError
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.clock import now
from highroad.kit.ids import new_id
from highroad.kit.names import is_label, require_label

VOUCHED = ("client_id", "domains", "email_trust")
"""What decides whose word on addresses is taken: when somebody but an owner changes it, no owner vouches any more."""
LONGEST_NAME = 32
SCOPES = ("openid", "email", "profile")
LONGEST_PATTERN = 255
MOST_RULES = 200
CHANGEABLE = frozenset(
    {"title", "client_id", "scopes", "group_claim", "groups", "creates_users", "domains", "email_trust", "active"}
)


# Providers


def add_provider(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    name: str,
    issuer: str,
    client_id: str,
    secret: str | None = None,
    **options: Any,
) -> Provider:
    """Set a provider up. `options` are among `CHANGEABLE`; `secret` None: a public client, which PKCE alone protects.

    It is not asked anything here: `highroad providers test` does. Raises `BadProvider` or `ProviderExists`.
    """
    require(actor, "federation:write")
    require_label(name, field="name")
    made = Provider(
        id=new_id("idp"),
        name=name,
        title=options.pop("title", "") or name,
        issuer=require_issuer(issuer),
        client_id=client_id,
        has_secret=secret is not None,
        scopes=tuple(options.pop("scopes", None) or SCOPES),
        group_claim=options.pop("group_claim", ""),
        groups=tuple(options.pop("groups", ())),
        creates_users=options.pop("creates_users", False),
        domains=_domains(options.pop("domains", ())),
        email_trust=options.pop("email_trust", "verified"),
        vouched=actor.role == "owner",
        active=options.pop("active", True),
        created_at=now(),
    )
    assert not options, f"no provider has {sorted(options)}"
    _check(made)
    try:
        with tx.connection.begin_nested():
            store.add_provider(tx, made, secret)
    except IntegrityError as error:
        raise ProviderExists(f"{name} is set up already.", next_step="highroad providers list") from error
    log.append(tx, Event(events.PROVIDER_CREATED, made.id, {"name": name, "issuer": issuer}), actor)
    return made


def change_provider(
    tx: Transaction, log: EventLog, actor: Actor, name_or_id: str, changes: Mapping[str, Any], *, secret: str | None
) -> Provider:
    """Change what `changes` names, among `CHANGEABLE`, and the client secret unless it is None.

    The issuer stays as it is: identities are its subjects, and another issuer's subject of the same text is somebody
    else. Switching a provider off ends the sessions that it led to.
    """
    require(actor, "federation:write")
    before = find(tx, name_or_id)
    assert changes.keys() <= CHANGEABLE, "the edge lets nothing else through"
    after = replace(before, **changes)
    after = replace(after, domains=_domains(after.domains), title=after.title or after.name)
    after = replace(after, vouched=_is_vouched(actor, before, after, changes))
    _check(after)
    store.update_provider(tx, after)
    diff = _difference(before, after)
    if secret is not None:
        store.set_secret(tx, after.id, secret)
        diff["client_secret"] = ("(secret)", "(another secret)")
    if before.active and not after.active:
        store.end_sessions(tx, after)
    log.append(tx, Event(events.PROVIDER_MODIFIED, after.id, {"name": after.name}, diff=diff), actor)
    return find(tx, after.id)


def _is_vouched(actor: Actor, before: Provider, after: Provider, changes: Mapping[str, Any]) -> bool:
    """An owner vouches by setting any of `VOUCHED`, to what it is already too; a switch or a title says nothing."""
    if actor.role == "owner" and not changes.keys().isdisjoint(VOUCHED):
        return True
    return before.vouched and all(getattr(before, each) == getattr(after, each) for each in VOUCHED)


def remove_provider(tx: Transaction, log: EventLog, actor: Actor, name_or_id: str) -> None:
    """With all identities of it, the sessions that it led to and the memberships that it gave. Users stay."""
    require(actor, "federation:write")
    provider = find(tx, name_or_id)
    store.remove_provider(tx, provider)
    content = {"name": provider.name, "issuer": provider.issuer}
    log.append(tx, Event(events.PROVIDER_DELETED, provider.id, content), actor)


def find(tx: Transaction, name_or_id: str) -> Provider:
    provider = store.find_provider(tx, name_or_id)
    if provider is None:
        raise NoSuchProvider(f"Nothing is set up as {name_or_id[:80]!r}.", next_step="highroad providers list")
    return provider


def _domains(listed: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(each).strip().lower().lstrip("@") for each in listed if str(each).strip()))


def _check(provider: Provider) -> None:
    """Raises `BadProvider` with all that is wrong."""
    wrong: list[FieldError] = []

    def demand(holds: bool, field: str, detail: str) -> None:
        if not holds:
            wrong.append(FieldError(f"/{field}", detail))

    demand(len(provider.name) <= LONGEST_NAME, "name", f"at most {LONGEST_NAME} characters")
    demand(len(provider.title) <= 120 and provider.title.isprintable(), "title", "at most 120 characters on one line")
    demand(0 < len(provider.client_id) <= 255 and provider.client_id.isprintable(), "client_id", "1 to 255 characters")
    demand("openid" in provider.scopes, "scopes", "must have openid: without it nobody says who signed in")
    plain = all(each.isascii() and each.isprintable() and not set(each) & set(' "\\') for each in provider.scopes)
    demand(plain and len(" ".join(provider.scopes)) <= 500, "scopes", "words without spaces, at most 500 characters")
    demand(len(provider.group_claim) <= 120, "group_claim", "at most 120 characters")
    demand(provider.email_trust in EMAIL_TRUSTS, "email_trust", f"one of {', '.join(EMAIL_TRUSTS)}")
    demand(all(_is_domain(each) for each in provider.domains), "domains", "email domains such as example.com")
    demand(len(provider.domains) <= 100, "domains", "at most 100")
    trusting = provider.email_trust == "always" and not provider.domains
    demand(not trusting, "domains", "name the domains that the provider answers for, as its word on addresses is taken")
    demand(not provider.groups or bool(provider.group_claim), "group_claim", "name the claim that has the groups")
    demand(len(provider.groups) <= MOST_RULES, "groups", f"at most {MOST_RULES} rules")
    demand(all(_is_rule(each) for each in provider.groups), "groups", "a pattern and the name of a team, or *")
    if wrong:
        text = "; ".join(f"{each.pointer.lstrip('/')}: {each.detail}" for each in wrong)
        raise BadProvider(f"{text[:1000]}.", next_step="Correct it and send it again.", errors=wrong)


def _is_domain(text: str) -> bool:
    labels = text.split(".")
    return len(text) <= 253 and len(labels) > 1 and all(is_label(each) for each in labels)


def _is_rule(rule: GroupRule) -> bool:
    return 0 < len(rule.group) <= LONGEST_PATTERN and (rule.team == SAME_NAME or is_label(rule.team))


def _difference(before: Provider, after: Provider) -> dict[str, tuple[object, object]]:
    changed = {}
    for each in fields(Provider):
        old, new = getattr(before, each.name), getattr(after, each.name)
        if old != new:
            changed[each.name] = (_told(old), _told(new))
    return changed


def _told(value: object) -> object:
    if isinstance(value, tuple):
        return [f"{each.group} -> {each.team}" if isinstance(each, GroupRule) else each for each in value]
    return value


# Coming in


def begin(tx: Transaction, provider: Provider, *, next: str, browser: str | None, address: str) -> Attempt:
    """An attempt to sign in with the provider. `browser` is the secret that the browser has from another one, if any:
    several tabs may sign in at the same time."""
    attempt = Attempt(state=new_secret(), browser=browser or new_secret(), next=next)
    store.add_attempt(tx, provider.id, attempt, address=address)
    return attempt


def find_active(tx: Transaction, name: str) -> Provider:
    provider = find(tx, name)
    if not provider.active:
        raise NoSuchProvider(f"{provider.title} is switched off.", next_step="Sign in in another way.")
    return provider


def take(tx: Transaction, provider: Provider, *, state: str, browser: str | None) -> Attempt:
    """The attempt that this browser began; it is spent with that. Raises `StaleSignIn`."""
    attempt = store.take_attempt(tx, provider.id, state=state, browser=browser or "")
    if attempt is None:
        raise StaleSignIn(
            "It was begun in another browser, more than ten minutes ago, or finished before.",
            next_step="Sign in again, in this browser.",
        )
    return attempt


def recognise(tx: Transaction, log: EventLog, provider: Provider, person: Person) -> User:
    """The person's user, who is created, linked, renamed and put into teams as the provider's rules say.

    Raises `UserDeactivated`, `NotInvited`, `EmailNotTrusted` or `ProviderNotVouched`.
    """
    known = store.identity(tx, provider.id, person.subject)
    if known and known[1].role == "owner":  # the identity may be older than the role
        _require_vouched(provider, "owner", known[1].email)
    user = _follow_address(tx, log, provider, person, *known) if known else _first_time(tx, log, provider, person)
    if not user.active:
        raise UserDeactivated(f"{user.email} is deactivated here.", next_step="Ask an administrator.")
    store.note_use(tx, provider.id, person.subject, person.email)
    _put_into_teams(tx, log, provider, person, user)
    return user


def start_session(
    tx: Transaction,
    log: EventLog,
    provider: Provider,
    user: User,
    *,
    logout_url: str | None,
    address: str,
    agent: str,
) -> NewSession:
    """A session of a user that `recognise` knew."""
    session = access.start_session(tx, log, user, address=address, agent=agent)
    store.add_session(tx, session.secret, provider.id, logout_url)
    return session


def note_refusal(
    tx: Transaction, log: EventLog, provider: Provider, error: HighroadError, *, person: Person | None, address: str
) -> None:
    """Keep that somebody was refused; of what the provider said only who it was, never a token."""
    name = (person and (person.email or person.subject)) or "unknown"
    who = Actor("unknown", name, "user", "portal", address=address)
    custom: dict[str, object] = {"address": address, "provider": provider.name, "reason": error.code}
    if person is not None:
        custom["subject"] = person.subject
    log.append(tx, Event(events.USER_REFUSED, who.id, custom=custom), who)


def _first_time(tx: Transaction, log: EventLog, provider: Provider, person: Person) -> User:
    email = _trusted_address(provider, person)
    found = users.user_by_email(tx, email)
    if found is not None and (found[0].kind != "user" or not provider.domains):
        raise EmailNotTrusted(
            f"{email} is a user here already, and {provider.title} is not trusted to answer for that address.",
            next_step="Sign in as before. An administrator can name the provider's email domains, which links you.",
        )
    role = found[0].role if found else invitation_actions.invited_role(tx, email)
    _require_vouched(provider, role or "member", email)
    if role is None and not provider.creates_users:
        raise NotInvited(
            f"{provider.title} knows you as {email}, and nobody invited that address.",
            next_step="Ask an administrator to invite you: highroad users invite EMAIL",
        )
    try:
        with tx.connection.begin_nested():
            user = found[0] if found else _create(tx, log, provider, person, email)
            store.add_identity(tx, provider.id, person.subject, user.id, person.email)
    except IntegrityError as error:
        raise StaleSignIn("You signed in twice at the same moment.", next_step="Sign in again.") from error
    who = Actor(user.id, user.email, "user", "portal")
    content = {"provider": provider.name, "subject": person.subject, "created": found is None}
    log.append(tx, Event(events.IDENTITY_LINKED, user.id, content), who)
    return user


def _require_vouched(provider: Provider, role: str, email: str) -> None:
    """Else an administrator, who sets providers up, would become an owner with one of his own."""
    if role == "member" or provider.vouched:
        return
    raise ProviderNotVouched(
        f"{email} is {role} of the organization, and no owner vouches for {provider.title}.",
        next_step="Sign in with your password or a link. An owner vouches for the provider by saving it in the portal, "
        "under Sign-in.",
    )


def _create(tx: Transaction, log: EventLog, provider: Provider, person: Person, email: str) -> User:
    invited = invitation_actions.accept_by_address(tx, log, email, name=person.name)
    if invited is not None:
        return invited
    user = users.add_user(tx, id=new_id("usr"), email=email, name=person.name)
    who = Actor(user.id, user.email, "user", "portal")
    log.append(tx, Event(events.USER_CREATED, user.id, {"email": email, "provider": provider.name}), who)
    return user


def _trusted_address(provider: Provider, person: Person) -> str:
    """The person's email address, if this provider can be believed about it."""
    if person.email is None:
        raise EmailNotTrusted(
            f"{provider.title} did not tell your email address.",
            next_step="Add one to your account there; an administrator checks that the scope `email` is asked for.",
        )
    if not provider.answers_for(person.email):
        raise EmailNotTrusted(
            f"{provider.title} is set up for {', '.join(provider.domains)}, and you are {person.email}.",
            next_step="Sign in with your company account.",
        )
    if provider.email_trust == "verified" and not person.email_verified:
        raise EmailNotTrusted(
            f"{provider.title} has not verified that {person.email} is yours.",
            next_step="Confirm the address there, then sign in again.",
        )
    return person.email


def _follow_address(
    tx: Transaction, log: EventLog, provider: Provider, person: Person, identity: Identity, user: User
) -> User:
    """The identity's user, with the address that the provider gives now, unless somebody here chose another one.

    The subject identifies, so a new address that cannot be believed or is taken changes nothing and refuses nobody,
    apart from one outside of the provider's domains: that person has left the company.
    """
    if person.email is not None and not provider.answers_for(person.email):
        _trusted_address(provider, person)
    if person.email in (None, user.email) or user.email != identity.email:
        return user
    if provider.email_trust == "verified" and not person.email_verified:
        return user
    assert person.email is not None, "compared above"
    if users.user_by_email(tx, person.email) is not None:
        return user
    users.update_user(tx, user.id, email=person.email)
    who = Actor(user.id, person.email, "user", "portal")
    diff = {"email": (user.email, person.email)}
    log.append(tx, Event(events.USER_MODIFIED, user.id, {"changed": ["email"]}, diff=diff), who)
    return replace(user, email=person.email)


def _put_into_teams(tx: Transaction, log: EventLog, provider: Provider, person: Person, user: User) -> None:
    """Give the memberships that follow from the groups and withdraw those that this provider gave before."""
    named = teams_for(provider.groups, person.groups)
    wanted = {each.id: each.name for each in teams.list_teams(tx) if each.name in named}
    present = teams.memberships(tx, user.id, provider.source)
    for id in sorted(wanted.keys() - present):
        teams.add_member(tx, id, user.id, provider.source)
    gone = sorted(present - wanted.keys())
    for id in gone:
        teams.remove_member(tx, id, user.id, provider.source)
    if gone or wanted.keys() - present:
        who = Actor(user.id, user.email, "user", "portal")
        joined = sorted(wanted[id] for id in wanted.keys() - present)
        left = sorted(found.name for id in gone if (found := teams.team(tx, id)))
        content = {"source": provider.source, "joined": joined, "left": left}
        log.append(tx, Event(events.MEMBERSHIPS_SYNCHRONISED, user.id, content), who)

"""Accounts for programs: service accounts, which have roles as users do, and policy tokens, which may do what their
Cedar policy allows and nothing else. Made and ended by those who may `account:write`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.exc import IntegrityError

from highroad.access import service_accounts, store, team_actions
from highroad.access.company_policies import aimed_at_some
from highroad.access.model import SCOPES, AccountKind, Actor, Token, User
from highroad.access.permissions import NotAllowed, require
from highroad.access.policy.checking import require_policy
from highroad.access.service_accounts import ServiceAccount
from highroad.access.token_actions import checked_name, checked_scopes, issue_token
from highroad.access.user_actions import apply, given_role, refuse_raising
from highroad.db.engine import Transaction
from highroad.errors import Conflict, FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.ids import new_id
from highroad.kit.names import require_label

RESERVED = frozenset({"highroad", "unknown", "system", "finder", "upgrade"})
"""Names that stand in events for Highroad itself and for nobody."""
ROLES = ("member", "auditor", "admin")
"""Of the organization, for service accounts. Owners are people."""


class AccountExists(Conflict):
    code = "account-exists"
    title = "There is an account of this name"


class BadAccount(Invalid):
    code = "bad-account"
    title = "The account cannot be like this"


class NoSuchAccount(NotFound):
    code = "no-such-account"
    title = "There is no such account"


def find(tx: Transaction, name_or_id: str, kind: AccountKind | None = None) -> ServiceAccount:
    found = service_accounts.find(tx, name_or_id)
    if found is None or (kind is not None and found.kind != kind):
        where = "highroad tokens policies" if kind == "policy" else "highroad service-accounts list"
        raise NoSuchAccount(f"There is no account {name_or_id[:80]!r}.", next_step=where)
    return found


def visible(tx: Transaction, actor: Actor, kind: AccountKind) -> list[ServiceAccount]:
    require(actor, "access:read")
    return service_accounts.everyone(tx, kind)


def create(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    name: str,
    description: str = "",
    team: str | None = None,
    role: str = "member",
) -> ServiceAccount:
    """A service account without a token and without a grant. `team` is the name of the team that answers for it."""
    require(actor, "account:write")
    if role not in ROLES:
        raise BadAccount(
            f"A service account is {', '.join(ROLES)} of the organization, not {role[:40]!r}.",
            next_step="Choose one of them.",
            errors=[FieldError("/role", f"one of {', '.join(ROLES)}")],
        )
    given = given_role(actor, role)
    user = _add(tx, actor, "service", name, description, team)
    if given != "member":
        store.update_user(tx, user.id, role=given)
    content = {"name": user.email, "kind": "service", "role": given, "team": team}
    log.append(tx, Event(events.ACCOUNT_CREATED, user.id, content), actor)
    return find(tx, user.id)


def _add(tx: Transaction, actor: Actor, kind: AccountKind, name: str, description: str, team: str | None) -> User:
    require_label(name, field="name")
    if name in RESERVED:
        raise BadAccount(
            f"{name} stands for something else in events.",
            next_step="Choose another name.",
            errors=[FieldError("/name", "is reserved")],
        )
    clean = _description(description)
    owner = team_actions.find(tx, team) if team else None
    try:
        with tx.connection.begin_nested():
            user = store.add_user(tx, id=new_id("acc"), email=name, name=name, kind=kind)
    except IntegrityError as error:
        raise AccountExists(f"There is an account {name!r} already.", next_step="Choose another name.") from error
    service_accounts.add(tx, user.id, description=clean, team_id=owner.id if owner else None, made_by=actor.name)
    return user


def change(
    tx: Transaction, log: EventLog, actor: Actor, account: ServiceAccount, *, changes: Mapping[str, object]
) -> ServiceAccount:
    """Change `description`, `team` (a name or None), `role` and `active` as far as they are in `changes`. Deactivation
    ends the account's tokens at once."""
    require(actor, "account:write")
    user = store.user(tx, account.id)
    assert user is not None, "the caller found it in this transaction"
    refuse_raising(actor, user, {})
    own: dict[str, object] = {}
    diff: dict[str, tuple[object, object]] = {}
    if "description" in changes:
        own["description"] = _description(str(changes["description"] or ""))
        diff["description"] = (account.description, own["description"])
    if "team" in changes:
        owner = team_actions.find(tx, str(changes["team"])) if changes["team"] else None
        own["team_id"] = owner.id if owner else None
        diff["team"] = (account.team, owner.name if owner else None)
    diff = {key: pair for key, pair in diff.items() if pair[0] != pair[1]}
    if own:
        service_accounts.change(tx, account.id, **own)
    if diff:
        log.append(tx, Event(events.ACCOUNT_MODIFIED, account.id, {"name": account.name}, diff=diff), actor)
    values = _account_values(actor, user, changes)
    if values:
        apply(tx, log, actor, user, values)
    return find(tx, account.id)


def _account_values(actor: Actor, user: User, changes: Mapping[str, object]) -> dict[str, object]:
    values = {key: changes[key] for key in ("role", "active") if changes.get(key) is not None}
    if "role" in values and (values["role"] not in ROLES or user.kind == "policy"):
        raise BadAccount(
            "A policy token has no role." if user.kind == "policy" else f"The roles are {', '.join(ROLES)}.",
            next_step="Leave the role out." if user.kind == "policy" else "Choose one of them.",
            errors=[FieldError("/role", f"one of {', '.join(ROLES)}")],
        )
    values = {key: value for key, value in values.items() if getattr(user, key) != value}
    refuse_raising(actor, user, values)
    return values


def create_token(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    account: ServiceAccount,
    *,
    name: str,
    scopes: Sequence[str],
    days: int | None,
) -> tuple[Token, str]:
    """A token for a service account, with its secret, shown once. It belongs to the account: it stays when the token or
    the person that asked for it is gone."""
    require(actor, "account:write")
    user = store.user(tx, account.id)
    assert user is not None, "the caller found it in this transaction"
    if user.kind != "service":
        raise BadAccount("A policy token has one token.", next_step="Create another policy token.")
    refuse_raising(actor, user, {})  # whoever has its token is that account
    if not user.active:
        raise team_actions.Deactivated(f"{user.email} is deactivated.", next_step="Activate the account first.")
    wanted = checked_scopes(actor, scopes)
    beyond = [scope for scope in wanted if scope not in user.scopes]
    if beyond:
        raise BadAccount(
            f"{user.email} is {user.role} of the organization, so its tokens cannot have {', '.join(beyond)}.",
            next_step="Leave the scope out, or raise the account first.",
            errors=[FieldError("/scopes", f"without {', '.join(beyond)}")],
        )
    return issue_token(tx, log, user, name=checked_name(name), scopes=wanted, days=days, origin=actor.origin, by=actor)


# Policy tokens


def create_policy_token(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    name: str,
    policy: str,
    description: str = "",
    team: str | None = None,
    days: int | None,
) -> tuple[ServiceAccount, Token, str]:
    """A token that may do what `policy` allows and nothing else, with its secret, shown once."""
    _require_everything(tx, actor)
    require_policy(policy)
    user = _add(tx, actor, "policy", name, description, team)
    content = {"name": name, "kind": "policy", "team": team}
    diff = {"policy": (None, policy)}
    log.append(tx, Event(events.ACCOUNT_CREATED, user.id, content, diff=diff), actor)
    token, secret = issue_token(
        tx, log, user, name=name, scopes=tuple(SCOPES), days=days, origin=actor.origin, by=actor, policy=policy
    )
    return find(tx, user.id), token, secret


def policy_token(tx: Transaction, account: ServiceAccount) -> Token:
    """The one token of a policy token's account."""
    return next(each for each in store.list_tokens(tx, account.id) if each.policy is not None)


def change_policy(tx: Transaction, log: EventLog, actor: Actor, account: ServiceAccount, *, policy: str) -> Token:
    """Another policy for the same secret, in force from the commit on."""
    _require_everything(tx, actor)
    require_policy(policy)
    token = policy_token(tx, account)
    if token.policy != policy:
        store.set_token_policy(tx, token.id, policy)
        diff: dict[str, tuple[object, object]] = {"policy": (token.policy, policy)}
        log.append(tx, Event(events.ACCOUNT_MODIFIED, account.id, {"name": account.name}, diff=diff), actor)
    return policy_token(tx, account)


def _require_everything(tx: Transaction, actor: Actor) -> None:
    """A policy can allow everything, so only somebody who may do everything writes one into a token; and a token is
    nobody whom a policy is aimed at, so its maker would escape one that is aimed at him."""
    require(actor, "account:write")
    if actor.kind != "system" and (not actor.admin or frozenset(SCOPES) - actor.scopes):
        raise NotAllowed(
            "A policy token may be allowed more than you are now.",
            next_step="Ask an owner or administrator, who does it in the portal or with a token of all scopes.",
        )
    aimed = None if actor.role == "owner" else aimed_at_some(tx)
    if aimed is not None:
        raise NotAllowed(
            f"The policy {aimed} forbids something to some alone, which a policy token would not be bound by.",
            next_step="Ask an owner: highroad users list",
        )


def _description(text: str) -> str:
    clean = text.strip()
    if not clean.isprintable() or len(clean) > 500:
        raise BadAccount(
            "A description is one line of at most 500 characters.",
            next_step="Shorten it.",
            errors=[FieldError("/description", "one line of at most 500 characters")],
        )
    return clean

"""Setting up a second factor, asking for it at sign-in, taking it away. Called by `people` and `web.sign_in`.

What changes how somebody signs in takes all that this person may do: a token of fewer scopes, or a session that was
found open, could otherwise lock its owner out. So the present password is asked for, and a code to go without codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from highroad.access import actions as access
from highroad.access import store as accounts
from highroad.access.brakes import Brake
from highroad.access.model import Actor, Origin, User
from highroad.access.permissions import NotAllowed, NotSignedIn, require
from highroad.access.second_factor import codes, store
from highroad.access.user_actions import NoSuchUser, refuse_raising
from highroad.db.engine import Database, Transaction
from highroad.errors import Conflict, Invalid
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.clock import now

LONGEST_WAIT = timedelta(minutes=15)


class SecondFactorNeeded(NotSignedIn):
    code = "second-factor-needed"
    title = "A code of your authenticator app is needed"


class WrongCode(NotSignedIn):
    code = "wrong-code"
    title = "The code is wrong"


class SignInOver(NotSignedIn):
    code = "sign-in-over"
    title = "The sign-in took too long"


class MissingSecondFactor(NotAllowed):
    code = "second-factor-missing"
    title = "Your account needs a second factor"


class OwnSecondFactor(NotAllowed):
    code = "own-second-factor"
    title = "Nobody resets their own second factor"


class SecondFactorExists(Conflict):
    code = "second-factor-exists"


class NoSecondFactor(Conflict):
    code = "no-second-factor"


class BadCode(Invalid):
    code = "bad-code"
    title = "The code does not fit"


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What the authenticator app is given: `address` for a QR code, `seed` to type. Shown once."""

    seed: str
    address: str


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether somebody has a second factor, how many recovery codes are left, whether the installation wants one."""

    enabled: bool
    recovery_codes_left: int
    required: bool


def required(rule: str, user: User | Actor) -> bool:
    """Whether the setting `second_factor` asks `user` for one."""
    return user.kind == "user" and (rule == "everyone" or (rule == "admins" and user.admin))


def standing(tx: Transaction, actor: Actor, *, rule: str) -> Standing:
    require(actor, "self:read")
    return Standing(store.has_factor(tx, actor.id), store.recovery_codes_left(tx, actor.id), required(rule, actor))


# Setting it up


def begin(db: Database, log: EventLog, actor: Actor, *, password: str, installation: str) -> Enrolment:
    """A new seed, which counts once `confirm` has seen a code of it."""
    user = _whole(db, actor)
    _prove_password(db, log, actor, user, password)
    seed = codes.new_seed()
    with db.begin() as tx:
        if store.has_factor(tx, user.id):
            raise SecondFactorExists(
                "You have a second factor.", next_step="Turn it off first, to set up another authenticator app."
            )
        store.begin_factor(tx, user.id, seed)
    return Enrolment(seed, codes.address(seed, account=user.email, installation=installation))


def pending(tx: Transaction, actor: Actor, *, installation: str) -> Enrolment | None:
    """The enrolment that waits for its first code."""
    found = store.factor(tx, actor.id)
    if found is None or found.since is not None:
        return None
    return Enrolment(found.seed, codes.address(found.seed, account=actor.name, installation=installation))


def confirm(db: Database, log: EventLog, actor: Actor, *, code: str) -> list[str]:
    """From now on a code is asked for. The recovery codes, shown once. Other sessions end: they were begun without."""
    user = _whole(db, actor)
    with db.begin() as tx:
        found = store.factor(tx, user.id)
        if found is None or found.since is not None:
            raise NoSecondFactor("No second factor waits to be confirmed.", next_step="Begin to set one up.")
        step = codes.used_step(found.seed, codes.plain(code), instant=now(), after=found.last_step)
        if step is None or not store.spend_step(tx, user.id, step) or not store.confirm_factor(tx, user.id):
            raise BadCode(
                "The authenticator app shows another code.",
                next_step="Type the code that it shows now; if it never fits, set the clock of your phone.",
            )
        made = _new_recovery_codes(tx, user)
        accounts.end_sessions_of(tx, user.id, keep=actor.session)
        log.append(tx, Event(events.SECONDFACTOR_ENABLED, user.id), actor)
    return made


def renew_recovery_codes(db: Database, log: EventLog, actor: Actor, *, code: str) -> list[str]:
    """Ten new ones; the old ones do not count any more."""
    user = _whole(db, actor)
    check(db, log, user, code=code, address=actor.address, origin=actor.origin)
    with db.begin() as tx:
        made = _new_recovery_codes(tx, user)
        log.append(tx, Event(events.USER_MODIFIED, user.id, {"changed": ["recovery codes"]}), actor)
    return made


def disable(db: Database, log: EventLog, actor: Actor, *, code: str, rule: str) -> None:
    user = _whole(db, actor)
    if required(rule, user):
        raise NotAllowed(
            "This installation wants a second factor of you.",
            next_step="For a new phone: sign in with a recovery code, and ask an administrator to reset it.",
        )
    check(db, log, user, code=code, address=actor.address, origin=actor.origin)
    with db.begin() as tx:
        store.drop_factor(tx, user.id)
        accounts.end_sessions_of(tx, user.id, keep=actor.session)
        log.append(tx, Event(events.SECONDFACTOR_DISABLED, user.id, {"by": "self"}), actor)


def reset(tx: Transaction, log: EventLog, actor: Actor, user_id: str) -> None:
    """Take it away from somebody who lost the app and the recovery codes. All sessions of that user end."""
    require(actor, "user:write")
    user = accounts.user(tx, user_id)
    if user is None or user.kind != "user":
        raise NoSuchUser("There is no such user.", next_step="highroad users list")
    refuse_raising(actor, user, {})
    if actor.id == user.id:
        raise OwnSecondFactor(
            "Nobody resets their own second factor: whoever has your token could.",
            next_step="Turn it off with a code or a recovery code: highroad second-factor disable. If both are lost, "
            "ask another administrator, or whoever runs the machine.",
        )
    if not store.drop_factor(tx, user.id):
        raise NoSecondFactor(f"{user.email} has no second factor.", next_step="highroad users list")
    accounts.end_sessions_of(tx, user.id)
    log.append(tx, Event(events.SECONDFACTOR_DISABLED, user.id, {"by": "administrator"}), actor)


# At sign-in


def check(db: Database, log: EventLog, user: User, *, code: str, address: str, origin: Origin) -> None:
    """Return when the code is right, which spends it; a user without a second factor needs none.

    Raises `SecondFactorNeeded` when none was given, `WrongCode`, or `SlowDown` after five failures, wherever they came
    from: whoever gets here knows the password, so nobody else can keep the person out.
    """
    brake = Brake(f"code:{user.id}", longest=LONGEST_WAIT)
    with db.read() as tx:
        if not store.has_factor(tx, user.id):
            return
        access.refuse_when_too_many(brake, accounts.failures(tx, brake.key))
    given = codes.plain(code)
    if not given:
        raise SecondFactorNeeded(
            "The password is right, and this account has a second factor.",
            next_step="Send the six digits of your authenticator app, too, or a recovery code.",
        )
    with db.begin() as tx:
        right = _spend(tx, user.id, given)
        if right:
            accounts.forget_failures(tx, brake.key)
        else:
            accounts.note_failure(tx, brake.key)
            who = Actor(user.id, user.email, "user", origin, address=address)
            log.append(tx, Event(events.SECONDFACTOR_REFUSED, user.id, custom={"address": address}), who)
    if not right:
        raise WrongCode(
            "It is not the code that the app shows now, or it was used before.",
            next_step="Wait for the next code, or use a recovery code.",
        )


def check_sign_in(
    db: Database, log: EventLog, user: User, *, code: str, address: str, origin: Origin, rule: str
) -> None:
    """`check`, for a sign-in that leads to a token. Raises `MissingSecondFactor` too."""
    check(db, log, user, code=code, address=address, origin=origin)
    with db.read() as tx:
        if required(rule, user) and not store.has_factor(tx, user.id):
            raise MissingSecondFactor(
                "This installation wants a second factor of you.",
                next_step="Sign in to the portal, where you set it up; then highroad login again.",
            )


def waits_for_code(tx: Transaction, user: User, *, link_by: str = "") -> str | None:
    """The secret with which `finish` goes on, for a user who has a second factor. `link_by`: see `start_session`."""
    return store.wait_for_code(tx, user.id, link_by=link_by) if store.has_factor(tx, user.id) else None


def finish(db: Database, log: EventLog, *, secret: str, code: str, address: str) -> User:
    """The user who typed the right password a moment ago, and the right code now."""
    with db.read() as tx:
        user_id = store.who_waits(tx, secret)
        user = accounts.user(tx, user_id) if user_id else None
    if user is None or not user.active:
        raise _over()
    if not codes.plain(code):
        raise WrongCode("There is no code.", next_step="Type the six digits that the app shows.")
    check(db, log, user, code=code, address=address, origin="portal")
    with db.begin() as tx:
        if not store.end_waiting(tx, secret):
            raise _over()
    return user


# Inside


def _over() -> SignInOver:
    return SignInOver("Five minutes have passed since the password.", next_step="Sign in again.")


def _whole(db: Database, actor: Actor) -> User:
    require(actor, "self:write")
    with db.read() as tx:
        user = accounts.user(tx, actor.id)
    if user is None or user.kind != "user":
        raise NoSuchUser("Only a person has a second factor.", next_step="Sign in as a user.")
    if user.scopes - actor.scopes:
        raise NotAllowed(
            "A second factor concerns all that its user may do, and this token may do less.",
            next_step="Change it in the portal, or with a token that has all your scopes.",
        )
    return user


def _prove_password(db: Database, log: EventLog, actor: Actor, user: User, password: str) -> None:
    if user.has_password:
        access.check_password(db, log, email=user.email, password=password, address=actor.address, origin=actor.origin)
    elif actor.session is None:
        raise NotAllowed(
            "Without a password, a second factor is set up in the portal.", next_step="Sign in there and open Account."
        )


def _spend(tx: Transaction, user_id: str, given: str) -> bool:
    found = store.factor(tx, user_id)
    if found is None:
        return False
    step = codes.used_step(found.seed, given, instant=now(), after=found.last_step)
    if step is not None:
        return store.spend_step(tx, user_id, step)
    return store.spend_recovery_code(tx, user_id, given)


def _new_recovery_codes(tx: Transaction, user: User) -> list[str]:
    made = codes.new_recovery_codes()
    store.set_recovery_codes(tx, user.id, [codes.plain(code) for code in made])
    return made

"""What administrators do with teams: create, rename, move and delete them, and say who is in them.

What a directory or a sign-in provider says of memberships is theirs: it is shown with its source, and ends there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy.exc import IntegrityError

from highroad.access import grants, store, teams
from highroad.access.model import Actor, User
from highroad.access.permissions import require
from highroad.access.teams import MANUAL, Team
from highroad.access.user_actions import NoSuchUser
from highroad.db.engine import Transaction
from highroad.errors import Conflict, FieldError, Invalid, NotFound
from highroad.events import model as events
from highroad.events.log import EventLog
from highroad.events.model import Event
from highroad.kit.names import require_label

DEEPEST = 6
"""Levels of teams: enough for company, division, department, group, team, squad."""


class NoSuchTeam(NotFound):
    code = "no-such-team"
    title = "There is no such team"


class TeamExists(Conflict):
    code = "team-exists"
    title = "There is a team of this name"


class TeamsInACircle(Invalid):
    code = "teams-in-a-circle"
    title = "A team cannot be below itself"


class TeamsTooDeep(Invalid):
    code = "teams-too-deep"
    title = "Teams are nested too deep"


class BadTitle(Invalid):
    code = "bad-title"
    title = "The title cannot be used"


class NotAMember(NotFound):
    code = "not-a-member"
    title = "They are not in this team"


class NotByHand(Conflict):
    code = "not-by-hand"
    title = "This membership comes from elsewhere"


class Deactivated(Conflict):
    code = "deactivated"
    title = "The account is deactivated"


def find(tx: Transaction, name_or_id: str) -> Team:
    found = teams.find(tx, name_or_id)
    if found is None:
        raise NoSuchTeam(f"There is no team {name_or_id[:80]!r}.", next_step="highroad teams list")
    return found


def visible(tx: Transaction, actor: Actor) -> list[Team]:
    """All teams, by name."""
    require(actor, "team:read")
    return teams.list_teams(tx)


def create(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    name: str,
    title: str = "",
    parent: str | None = None,
    external_id: str | None = None,
) -> Team:
    """A team without members. `name` stays for ever, because policies are written with it; `parent` is a name or id."""
    require(actor, "team:write")
    return establish(tx, log, actor, name=name, title=title, parent=parent, external_id=external_id)


def establish(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    *,
    name: str,
    title: str = "",
    parent: str | None = None,
    external_id: str | None = None,
) -> Team:
    """As `create`, for a caller that has asked for the permission itself."""
    require_label(name, field="name")
    clean = _title(title or name)
    everyone = teams.lock_all(tx)
    above = find(tx, parent) if parent else None
    if above is not None and len(_line(everyone, above.id)) >= DEEPEST:
        raise _too_deep()
    try:
        with tx.connection.begin_nested():
            made = teams.add_team(
                tx, name=name, title=clean, parent=above.id if above else None, external_id=external_id
            )
    except IntegrityError as error:
        raise TeamExists(f"There is a team {name!r} already.", next_step=f"highroad teams show {name}") from error
    content = {"name": name, "title": clean, "parent": above.name if above else None}
    log.append(tx, Event(events.TEAM_CREATED, made.id, content), actor)
    return made


def change(tx: Transaction, log: EventLog, actor: Actor, team: Team, *, changes: Mapping[str, str | None]) -> Team:
    """Change `title` and `parent` (a name or id; None: to the top) as far as they are in `changes`."""
    require(actor, "team:write")
    return rearrange(tx, log, actor, team, changes=changes)


def rearrange(tx: Transaction, log: EventLog, actor: Actor, team: Team, *, changes: Mapping[str, str | None]) -> Team:
    """As `change`, for a caller that has asked for the permission itself."""
    everyone = teams.lock_all(tx)
    before = next((each for each in everyone if each.id == team.id), None)
    if before is None:
        raise NoSuchTeam(f"There is no team {team.name!r}.", next_step="highroad teams list")
    values: dict[str, str | None] = {}
    diff: dict[str, tuple[object, object]] = {}
    if "title" in changes and (title := _title(changes["title"] or before.name)) != before.title:
        values["title"], diff["title"] = title, (before.title, title)
    if "parent" in changes:
        above = find(tx, changes["parent"]) if changes["parent"] else None
        if (above.id if above else None) != before.parent:
            _check_move(everyone, before, above)
            names = {each.id: each.name for each in everyone}
            values["parent_id"] = above.id if above else None
            diff["parent"] = (names.get(before.parent or ""), above.name if above else None)
    if not values:
        return before
    teams.update_team(tx, team.id, **values)
    log.append(tx, Event(events.TEAM_MODIFIED, team.id, {"name": before.name}, diff=diff), actor)
    return find(tx, team.id)


def delete(tx: Transaction, log: EventLog, actor: Actor, team: Team) -> list[Team]:
    """Delete a team: its memberships and grants go, its projects have no owner any more. The teams right below it move
    up to where it was; they are returned. Nobody gains by that: their members were members further up before."""
    require(actor, "team:write")
    return dissolve(tx, log, actor, team)


def dissolve(tx: Transaction, log: EventLog, actor: Actor, team: Team) -> list[Team]:
    """As `delete`, for a caller that has asked for the permission itself."""
    everyone = teams.lock_all(tx)
    present = next((each for each in everyone if each.id == team.id), None)
    if present is None:
        raise NoSuchTeam(f"There is no team {team.name!r}.", next_step="highroad teams list")
    below = [each for each in everyone if each.parent == team.id]
    for each in below:
        teams.update_team(tx, each.id, parent_id=present.parent)
    held = grants.list_grants(tx, holder_id=team.id)
    members = teams.members(tx, team.id)
    grants.forget_holder(tx, team.id)
    teams.remove_team(tx, team.id)
    names = {each.id: each.name for each in everyone}
    diff: dict[str, tuple[object, object]] = {
        "name": (present.name, None),
        "members": ([each.email for each in members], []),
        "grants": ([f"{each.role} in {each.project or 'all'}/{each.mode or 'all'}" for each in held], []),
        "below": ([each.name for each in below], []),
        "parent": (names.get(present.parent or ""), None),
    }
    log.append(tx, Event(events.TEAM_DELETED, team.id, {"name": present.name}, diff=diff), actor)
    return below


# Membership


def add_member(tx: Transaction, log: EventLog, actor: Actor, team: Team, who: str) -> User:
    """Put a user or service account (by email address, name or id) into the team; no event when it was there so."""
    require(actor, "team:write")
    user = find_account(tx, who)
    if not user.active:
        raise Deactivated(f"{user.email} is deactivated.", next_step="Activate the account first.")
    before = sources_of(tx, team, user)
    if MANUAL not in before:
        teams.add_member(tx, team.id, user.id, MANUAL)
        _note(tx, log, actor, team, user, before, (*before, MANUAL))
    return user


def remove_member(tx: Transaction, log: EventLog, actor: Actor, team: Team, who: str) -> User:
    """Take an account out of the team that was put there by hand. Raises `NotByHand` for one that comes from a
    directory or a sign-in provider: there it has to end, or it would be back at once."""
    require(actor, "team:write")
    user = find_account(tx, who)
    before = sources_of(tx, team, user)
    if not before:
        raise NotAMember(f"{user.email} is not in {team.name}.", next_step=f"highroad teams show {team.name}")
    if MANUAL not in before:
        where = " and ".join(before)
        raise NotByHand(
            f"{user.email} is in {team.name} by {where}.", next_step="Take them out of the group there instead."
        )
    teams.remove_member(tx, team.id, user.id, MANUAL)
    _note(tx, log, actor, team, user, before, tuple(each for each in before if each != MANUAL))
    return user


def set_members(
    tx: Transaction, log: EventLog, actor: Actor, team: Team, *, add: Sequence[str], remove: Sequence[str], source: str
) -> None:
    """Give and withdraw memberships of `source` by users' ids, for a caller that has asked for the permission itself.
    Ids that nobody has are refused with `NoSuchUser` before anything changes."""
    accounts = [find_account(tx, each) for each in dict.fromkeys([*add, *remove])]
    adding = set(add)
    for user in accounts:
        before = sources_of(tx, team, user)
        if user.id in adding and source not in before:
            teams.add_member(tx, team.id, user.id, source)
            _note(tx, log, actor, team, user, before, (*before, source))
        elif user.id not in adding and source in before:
            teams.remove_member(tx, team.id, user.id, source)
            _note(tx, log, actor, team, user, before, tuple(each for each in before if each != source))


def find_account(tx: Transaction, who: str) -> User:
    """A user or service account by email address, name or id. Policy tokens belong to no team: they have no roles."""
    found = store.user(tx, who)
    if found is None:
        named = store.user_by_email(tx, who.strip().lower())
        found = named[0] if named else None
    if found is None or found.kind == "policy":
        raise NoSuchUser(f"There is no user or service account {who[:80]!r}.", next_step="highroad users list")
    return found


def sources_of(tx: Transaction, team: Team, user: User) -> tuple[str, ...]:
    """Where the account's membership of this very team comes from; nothing when there is none."""
    return next((each.sources for each in teams.members(tx, team.id) if each.user == user.id), ())


def _note(
    tx: Transaction,
    log: EventLog,
    actor: Actor,
    team: Team,
    user: User,
    before: tuple[str, ...],
    after: tuple[str, ...],
) -> None:
    content = {"name": team.name, "member": user.email, "user": user.id}
    diff: dict[str, tuple[object, object]] = {"membership": (sorted(before) or None, sorted(after) or None)}
    log.append(tx, Event(events.TEAM_MEMBERS_CHANGED, team.id, content, diff=diff), actor)


# Shape


def _title(title: str) -> str:
    clean = title.strip()
    if not clean.isprintable() or not 0 < len(clean) <= 120:
        raise BadTitle(
            "A title is one line of at most 120 characters.",
            next_step="Shorten it.",
            errors=[FieldError("/title", "one line of 1 to 120 characters")],
        )
    return clean


def _check_move(everyone: Sequence[Team], team: Team, above: Team | None) -> None:
    line = _line(everyone, above.id) if above else []
    if above is not None and team.id in line:
        raise TeamsInACircle(
            f"{above.name} is below {team.name}, or is it." if above.id != team.id else f"{team.name} is that team.",
            next_step="Choose a team that is not below it.",
            errors=[FieldError("/parent", "is the team itself or below it")],
        )
    if len(line) + _height(everyone, team.id) > DEEPEST:
        raise _too_deep()


def _too_deep() -> TeamsTooDeep:
    return TeamsTooDeep(
        f"Teams are nested at most {DEEPEST} levels deep.",
        next_step="Put it below a team further up.",
        errors=[FieldError("/parent", "is too deep")],
    )


def _line(everyone: Sequence[Team], id: str) -> list[str]:
    """The ids of a team and of those above it, from itself upward."""
    parents = {each.id: each.parent for each in everyone}
    line: list[str] = []
    at: str | None = id
    while at is not None and at not in line:
        line.append(at)
        at = parents.get(at)
    return line


def _height(everyone: Sequence[Team], id: str) -> int:
    """Levels from this team down to the deepest below it, itself included."""
    return 1 + max((_height(everyone, each.id) for each in everyone if each.parent == id), default=0)

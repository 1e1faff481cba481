"""What a directory does by SCIM: say who works here and in which groups. All of it takes `directory:write`.

A directory may lock anybody out but the last owner, because that raises nobody. Beyond that it has no say over people
above it: it gives nobody a role, and changes no address and reactivates no account of an administrator or owner, unless
its own account is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy.exc import IntegrityError

from highroad.access import directory, grants, store, team_actions, teams, user_actions
from highroad.access.directory import SOURCE, Entry
from highroad.access.model import Actor, User
from highroad.access.permissions import require
from highroad.access.teams import Team
from highroad.access.user_actions import NoSuchUser, UserExists
from highroad.db.engine import Transaction
from highroad.errors import Conflict
from highroad.events.log import EventLog
from highroad.kit.names import to_label


class NameTakenInDirectory(Conflict):
    code = "directory-name-taken"
    title = "Somebody else has this name"


@dataclass(frozen=True, slots=True)
class WantedUser:
    """A user as the directory has it. An empty `display` stands for none."""

    user_name: str
    email: str
    display: str = ""
    given_name: str = ""
    family_name: str = ""
    external_id: str | None = None
    active: bool = True
    email_type: str | None = "work"
    email_primary: bool | None = True


@dataclass(frozen=True, slots=True)
class WantedTeam:
    """`people` and `below` are ids of users and of teams that are to be in it by the directory's word."""

    title: str
    people: tuple[str, ...] = ()
    below: tuple[str, ...] = ()
    external_id: str | None = None


def create_user(tx: Transaction, log: EventLog, actor: Actor, wanted: WantedUser) -> User:
    """A new user; or one whom a directory deleted, who is back with the same id and without what he had."""
    require(actor, "directory:write")
    email = user_actions.clean_address(wanted.email)
    known = directory.entries(tx)
    found = store.user_by_email(tx, email)
    user = found[0] if found else None
    if user is not None and not (user.kind == "user" and user.id in known and known[user.id].deleted):
        raise UserExists(f"{email} is a user already.", next_step="Look for them with a filter and change them.")
    if user is None:
        user = user_actions.establish(tx, log, actor, email=email, name=wanted.display)
    return _save(tx, log, actor, user, wanted)


def change_user(tx: Transaction, log: EventLog, actor: Actor, user: User, wanted: WantedUser) -> User:
    require(actor, "directory:write")
    return _save(tx, log, actor, user, wanted)


def _save(tx: Transaction, log: EventLog, actor: Actor, user: User, wanted: WantedUser) -> User:
    _set_entry(
        tx,
        user.id,
        Entry(
            wanted.user_name,
            wanted.external_id,
            wanted.given_name[:120],
            wanted.family_name[:120],
            email_type=wanted.email_type[:40] if wanted.email_type else None,
            email_primary=wanted.email_primary,
        ),
    )
    email = user_actions.clean_address(wanted.email)
    values: dict[str, object] = {"name": (wanted.display or email)[:120]}
    if email != user.email:
        values["email"] = email
    if wanted.active and not user.active:
        values["active"] = True
    values = {key: value for key, value in values.items() if getattr(user, key) != value}
    if values.keys() - {"name"}:
        user_actions.refuse_raising(actor, user, values)
    if values:
        user = user_actions.apply(tx, log, actor, user, values)
    return user if wanted.active else user_actions.lock_out(tx, log, actor, user)


def _set_entry(tx: Transaction, user_id: str, entry: Entry) -> None:
    taken = next(
        (id for id, each in directory.entries(tx).items() if each.user_name.casefold() == entry.user_name.casefold()),
        None,
    )
    if taken not in (None, user_id):
        raise NameTakenInDirectory(f"Somebody else is {entry.user_name[:80]!r}.", next_step="Look for them first.")
    try:
        with tx.connection.begin_nested():
            directory.set_entry(tx, user_id, entry)
    except IntegrityError as error:
        raise NameTakenInDirectory(
            f"Somebody else is {entry.user_name[:80]!r}.", next_step="Look for them first."
        ) from error


def delete_user(tx: Transaction, log: EventLog, actor: Actor, user: User) -> None:
    """The directory has nobody like that any more: deactivated, out of all teams and without a grant. The account stays
    for the audit log, and is what comes back if they do."""
    require(actor, "directory:write")
    user_actions.lock_out(tx, log, actor, user)
    present = directory.entries(tx).get(user.id) or Entry(user.email)
    for team in teams.teams_of(tx, user.id):
        for source in team_actions.sources_of(tx, team, user):
            team_actions.set_members(tx, log, actor, team, add=(), remove=(user.id,), source=source)
    grants.forget_holder(tx, user.id)
    if user.role != "member":
        user_actions.apply(tx, log, actor, user, {"role": "member"})
    directory.set_entry(tx, user.id, replace(present, deleted=True))


# Groups


def create_team(tx: Transaction, log: EventLog, actor: Actor, wanted: WantedTeam) -> Team:
    """A team with the title, and a name that is made of it."""
    require(actor, "directory:write")
    everyone = teams.lock_all(tx)
    _refuse_same_title(everyone, wanted.title, None)
    names = {each.name for each in everyone}
    team = team_actions.establish(
        tx, log, actor, name=_free_name(wanted.title, names), title=wanted.title, external_id=wanted.external_id
    )
    return _save_team(tx, log, actor, team, wanted)


def change_team(tx: Transaction, log: EventLog, actor: Actor, team: Team, wanted: WantedTeam) -> Team:
    require(actor, "directory:write")
    _refuse_same_title(teams.lock_all(tx), wanted.title, team.id)
    return _save_team(tx, log, actor, team, wanted)


def delete_team(tx: Transaction, log: EventLog, actor: Actor, team: Team) -> None:
    require(actor, "directory:write")
    team_actions.dissolve(tx, log, actor, team)


def _save_team(tx: Transaction, log: EventLog, actor: Actor, team: Team, wanted: WantedTeam) -> Team:
    team = team_actions.rearrange(tx, log, actor, team, changes={"title": wanted.title})
    if wanted.external_id != team.external_id:
        teams.update_team(tx, team.id, external_id=wanted.external_id)
    _set_people(tx, log, actor, team, wanted.people)
    _set_below(tx, log, actor, team, wanted.below)
    directory.set_group(tx, team.id)
    return team_actions.find(tx, team.id)


def _set_people(tx: Transaction, log: EventLog, actor: Actor, team: Team, people: Sequence[str]) -> None:
    for id in people:
        user = store.user(tx, id)
        if user is None or user.kind != "user":
            raise NoSuchUser(f"There is no user {id[:80]!r}.", next_step="Create them first.")
    present = {each.user for each in teams.members(tx, team.id) if SOURCE in each.sources}
    added, removed = sorted(set(people) - present), sorted(present - set(people))
    team_actions.set_members(tx, log, actor, team, add=added, remove=removed, source=SOURCE)


def _set_below(tx: Transaction, log: EventLog, actor: Actor, team: Team, below: Sequence[str]) -> None:
    """Teams named move below this one; those of the directory that no longer are move up to where it is."""
    everyone, known = teams.list_teams(tx), directory.groups(tx)
    by_id = {each.id: each for each in everyone}
    for id in below:
        if id not in by_id:
            raise team_actions.NoSuchTeam(f"There is no team {id[:80]!r}.", next_step="Create it first.")
        if by_id[id].parent != team.id:
            team_actions.rearrange(tx, log, actor, by_id[id], changes={"parent": team.id})
    for each in everyone:
        if each.parent == team.id and each.id not in below and each.id in known:
            team_actions.rearrange(tx, log, actor, each, changes={"parent": team.parent})


def _refuse_same_title(everyone: Sequence[Team], title: str, but: str | None) -> None:
    for each in everyone:
        if each.id != but and each.title.casefold() == title.strip().casefold():
            raise team_actions.TeamExists(f"There is a team {title[:80]!r} already.", next_step="Look for it first.")


def _free_name(title: str, names: set[str]) -> str:
    name = to_label(title) or "group"
    if name not in names:
        return name
    return next(candidate for number in range(2, len(names) + 3) if (candidate := f"{name[:58]}-{number}") not in names)

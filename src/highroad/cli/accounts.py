"""users: who is here, who is invited, and who is locked out."""

from __future__ import annotations

import click

from highroad.cli.command import command, group
from highroad.cli.failures import Usage
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago
from highroad.client.problems import Json
from highroad.errors import NotFound

_ROLES = ("owner", "admin", "auditor", "member")


class NoSuchUser(NotFound):
    code = "no-such-user"
    title = "There is no such user"


@command("list")
def list_users(invocation: Invocation) -> None:
    """List the users of the installation."""
    with invocation.client() as client:
        found = list(client.items("/users"))
    invocation.output.document({"items": found})
    rows = [
        (
            each["id"],
            each.get("email"),
            each.get("name"),
            each.get("role", ""),
            "yes" if each.get("active", True) else "no",
        )
        for each in found
    ]
    invocation.output.table(("ID", "E-MAIL", "NAME", "ROLE", "ACTIVE"), rows, empty="No users.")


@command("show")
@click.argument("who", metavar="EMAIL|ID")
def show_user(invocation: Invocation, who: str) -> None:
    """Show a person: their teams, and, if you may see it, their roles, sessions and tokens."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        user = client.get(path_of("users", who))
    output = invocation.output
    output.document(user)
    output.say(f"{user.get('name')} <{user.get('email')}>, {user.get('role')}{_gone(user)}")
    for team in user.get("teams") or []:
        output.say(f"  in {team['team']} ({', '.join(team.get('sources') or ['through a team below it'])})")
    access = user.get("access")
    if not access:
        return
    for role in access.get("roles") or []:
        where = f"{role.get('project') or 'all projects'}/{role.get('mode') or 'all modes'}"
        through = f" through {role['through']}" if role.get("through") else ""
        output.say(f"  {role['role']} in {where}{through}, by {role.get('by')}")
    count = len(access.get("tokens") or [])
    output.say(f"  {access.get('sessions')} sessions, {count} tokens, last seen {ago(access.get('last_seen_at'))}")
    if access.get("made"):
        output.say(f"  made these accounts for programs, which stay: {', '.join(access['made'])}")


def _gone(user: Json) -> str:
    return "" if user.get("active", True) else ", deactivated"


@command("invite")
@click.argument("email")
@click.option("--name", default="", help="How they are called; they can say it themselves.")
@click.option("--role", type=click.Choice(_ROLES), default="member", show_default=True, help="In the organization.")
@click.option("--team", "teams", multiple=True, help="A team that they will be in; may be repeated.")
def invite_user(invocation: Invocation, email: str, name: str, role: str, teams: tuple[str, ...]) -> None:
    """Invite somebody: prints a link, open for seven days, that makes them a user."""
    body = {"email": email, "name": name, "role": role, "teams": list(teams)}
    with invocation.client() as client:
        made = client.post("/invitations", body)
    _say_link(invocation, made)


@command("invitations")
def list_invitations(invocation: Invocation) -> None:
    """List who is invited and has not come yet."""
    with invocation.client() as client:
        found = list(client.items("/invitations"))
    invocation.output.document({"items": found})
    rows = [
        (
            each.get("email"),
            each.get("role"),
            ",".join(each.get("teams") or []),
            each.get("made_by"),
            "expired" if each.get("expired") else str(each.get("expires_at"))[:10],
        )
        for each in found
    ]
    invocation.output.table(("E-MAIL", "ROLE", "TEAMS", "BY", "OPEN UNTIL"), rows, empty="Nobody is invited.")


@command("resend")
@click.argument("who", metavar="EMAIL|ID")
def resend_invitation(invocation: Invocation, who: str) -> None:
    """Print a new link for an invitation; the one before opens nothing any more."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        made = client.post(path_of("invitations", who, "resend"), {})
    _say_link(invocation, made)


def _say_link(invocation: Invocation, made: Json) -> None:
    invocation.output.document(made)
    invocation.output.note(f"Pass this link on to {made.get('email')}; it is open for seven days:")
    invocation.output.say(str(made.get("link")))


@command("withdraw")
@click.argument("who", metavar="EMAIL|ID")
def withdraw_invitation(invocation: Invocation, who: str) -> None:
    """Take an invitation back: its link opens nothing any more."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        client.delete(path_of("invitations", who))
    invocation.output.document({"invitation": who, "withdrawn": True})
    invocation.output.say(f"The invitation of {who} is withdrawn.")


@command("change")
@click.argument("who", metavar="EMAIL|ID")
@click.option("--role", type=click.Choice(_ROLES), help="In the organization.")
@click.option("--name", help="How they are called.")
@click.option("--email", help="Their new email address.")
def change_user(invocation: Invocation, who: str, **changes: str | None) -> None:
    """Change somebody's role, name or email address."""
    wanted = {key: value for key, value in changes.items() if value is not None}
    if not wanted:
        raise Usage("Nothing to change was said.", next_step="Add --role, --name or --email.")
    changed = _patch(invocation, who, wanted)
    invocation.output.say(f"{changed.get('name')} <{changed.get('email')}> is {changed.get('role')}.")


def _patch(invocation: Invocation, who: str, changes: Json) -> Json:
    from highroad.client.api import path_of

    with invocation.client() as client:
        changed = client.patch(path_of("users", who), changes)
    invocation.output.document(changed)
    return changed


@command("activate")
@click.argument("who", metavar="EMAIL|ID")
def activate_user(invocation: Invocation, who: str) -> None:
    """Let somebody in again who was locked out; old sessions and tokens stay ended."""
    changed = _patch(invocation, who, {"active": True})
    invocation.output.say(f"{changed.get('email')} may sign in again.")


@command("deactivate")
@click.argument("who", metavar="EMAIL|ID")
def deactivate_user(invocation: Invocation, who: str) -> None:
    """Lock a user out: their sessions, tokens and invitations end at once."""
    changed = _patch(invocation, who, {"active": False})
    invocation.output.say(f"{changed.get('email')} is locked out.")


@command("reset-second-factor")
@click.argument("who", metavar="EMAIL|ID")
def reset_second_factor(invocation: Invocation, who: str) -> None:
    """Take the second factor from somebody who lost it; their sessions end."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        user = _user(list(client.items("/users")), who)
        client.delete(path_of("users", user["id"], "second-factor"))
    invocation.output.document({"id": user["id"], "second_factor": False})
    invocation.output.say(f"{user.get('email')} signs in without a code, until they set up a new one.")


@command("sign-out")
@click.argument("who", metavar="EMAIL|ID")
def sign_out_user(invocation: Invocation, who: str) -> None:
    """End all portal sessions of somebody; their tokens stay."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        user = _user(list(client.items("/users")), who)
        ended = client.delete(path_of("users", user["id"], "sessions"))
    invocation.output.document({"id": user["id"], **(ended or {})})
    invocation.output.say(f"{user.get('email')} is signed out of the portal everywhere.")


def _user(users: list[Json], who: str) -> Json:
    for user in users:
        if who == user["id"] or who.lower() == str(user.get("email")).lower():
            return user
    raise NoSuchUser(f"Nobody here is {who!r}.", next_step="highroad users list")


users = group(
    "users",
    list_users,
    show_user,
    invite_user,
    list_invitations,
    resend_invitation,
    withdraw_invitation,
    change_user,
    deactivate_user,
    activate_user,
    sign_out_user,
    reset_second_factor,
    help="List, invite, change and deactivate users.",
)

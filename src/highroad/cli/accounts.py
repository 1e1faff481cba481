"""tokens and users: who may do what with this installation."""

from __future__ import annotations

import click

from highroad.cli.command import command, group
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago
from highroad.client.problems import Json
from highroad.errors import NotFound


class NoSuchUser(NotFound):
    code = "no-such-user"
    title = "There is no such user"


@command("list")
def list_tokens(invocation: Invocation) -> None:
    """List your tokens, without their secrets."""
    with invocation.client() as client:
        found = list(client.items("/tokens"))
    invocation.output.document({"items": found})
    rows = [
        (
            each["id"],
            each.get("name"),
            ",".join(each.get("scopes") or []),
            _day(each.get("expires_at")),
            ago(each.get("last_used_at")),
        )
        for each in found
    ]
    invocation.output.table(("ID", "NAME", "SCOPES", "EXPIRES", "LAST USED"), rows, empty="No tokens.")


@command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["read", "write", "git", "admin"]),
    default=("read",),
    show_default=True,
    help="What it may do; may be repeated.",
)
@click.option("--days", default=90, show_default=True, type=click.IntRange(1), help="When it expires.")
def create_token(invocation: Invocation, name: str, scopes: tuple[str, ...], days: int) -> None:
    """Make a token, e.g. for CI. It is shown once: on stdout, alone."""
    with invocation.client() as client:
        made = client.post("/tokens", {"name": name, "scopes": list(scopes), "expires_in_days": days})
    invocation.output.document(made)
    invocation.output.note(f"Token {made['id']} ({name}), shown this once:")
    invocation.output.say(str(made["token"]))
    invocation.output.note(f"For commands: HIGHROAD_URL={invocation.url} HIGHROAD_TOKEN=<the token> highroad status")
    if "git" in scopes:
        invocation.output.note("For git: any user name, and the token as the password.")
    invocation.output.note(
        "In CI, keep it as a secret of the pipeline; to revoke it: highroad tokens revoke " + made["id"]
    )


@command("revoke")
@click.argument("identity", metavar="ID")
def revoke_token(invocation: Invocation, identity: str) -> None:
    """Revoke a token at once and for good."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        client.delete(path_of("tokens", identity))
    invocation.output.document({"id": identity, "revoked": True})
    invocation.output.say(f"Revoked {identity}.")


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
            "yes" if each.get("admin") else "",
            "yes" if each.get("active", True) else "no",
        )
        for each in found
    ]
    invocation.output.table(("ID", "E-MAIL", "NAME", "ADMIN", "ACTIVE"), rows, empty="No users.")


@command("invite")
@click.argument("email")
@click.option("--name", default="", help="How they are called; default: from the address.")
@click.option("--admin", is_flag=True, help="May manage users and everything else.")
def invite_user(invocation: Invocation, email: str, name: str, admin: bool) -> None:
    """Add a user and print the one-time link with which they sign in."""
    body = {"email": email, "name": name or email.partition("@")[0], "admin": admin}
    with invocation.client() as client:
        made = client.post("/users", body)
    invocation.output.document(made)
    invocation.output.note(f"Send {email} this link; it works once:")
    invocation.output.say(str(made.get("sign_in_link")))


@command("deactivate")
@click.argument("who", metavar="EMAIL|ID")
def deactivate_user(invocation: Invocation, who: str) -> None:
    """Lock a user out: their sessions and tokens stop working."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        user = _user(list(client.items("/users")), who)
        changed = client.patch(path_of("users", user["id"]), {"active": False})
    invocation.output.document(changed)
    invocation.output.say(f"{user.get('email')} is locked out.")


def _user(users: list[Json], who: str) -> Json:
    for user in users:
        if who == user["id"] or who.lower() == str(user.get("email")).lower():
            return user
    raise NoSuchUser(f"Nobody here is {who!r}.", next_step="highroad users list")


def _day(instant: object) -> str:
    return str(instant)[:10] if instant else "never"


tokens = group("tokens", list_tokens, create_token, revoke_token, help="List, create and revoke your tokens.")
users = group("users", list_users, invite_user, deactivate_user, help="List, invite and deactivate users.")

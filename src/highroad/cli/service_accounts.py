"""service-accounts: accounts for programs, and their tokens."""

from __future__ import annotations

import click

from highroad.cli.command import command, group
from highroad.cli.failures import Usage
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago
from highroad.client.problems import Json

_ROLES = ("member", "auditor", "admin")


@command("list")
def list_accounts(invocation: Invocation) -> None:
    """List the service accounts."""
    with invocation.client() as client:
        found = list(client.items("/service-accounts"))
    invocation.output.document({"items": found})
    rows = [
        (
            each["name"],
            each.get("team"),
            each.get("role"),
            "yes" if each.get("active") else "no",
            ago(each.get("last_used_at")),
            each.get("description"),
        )
        for each in found
    ]
    head = ("ACCOUNT", "TEAM", "ROLE", "ACTIVE", "LAST USED", "FOR")
    invocation.output.table(head, rows, empty="None yet: highroad service-accounts create NAME")


@command("create")
@click.argument("name")
@click.option("--description", default="", help="What it is for.")
@click.option("--team", help="The team that answers for it.")
@click.option("--role", type=click.Choice(_ROLES), default="member", show_default=True, help="In the organization.")
def create_account(invocation: Invocation, name: str, description: str, team: str | None, role: str) -> None:
    """Create an account for a program. It has no role in a project until it is granted one."""
    body = {"name": name, "description": description, "team": team, "role": role}
    with invocation.client() as client:
        made = client.post("/service-accounts", body)
    invocation.output.document(made)
    invocation.output.say(f"Created {name}. A token for it: highroad service-accounts token {name} WHERE-IT-IS-KEPT")


@command("token")
@click.argument("account")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(["read", "write", "git", "admin"]),
    default=("read",),
    show_default=True,
    help="What it may do, where the account has a role; may be repeated.",
)
@click.option("--days", default=90, show_default=True, type=click.IntRange(1), help="When it expires.")
def create_token(invocation: Invocation, account: str, name: str, scopes: tuple[str, ...], days: int) -> None:
    """Make a token for a service account. It is shown once: on stdout, alone."""
    from highroad.client.api import path_of

    body = {"name": name, "scopes": list(scopes), "expires_in_days": days}
    with invocation.client() as client:
        made = client.post(path_of("service-accounts", account, "tokens"), body)
    invocation.output.document(made)
    invocation.output.note(f"Token {made['id']} of {account} ({name}), shown this once:")
    invocation.output.say(str(made["token"]))


@command("change")
@click.argument("account")
@click.option("--description", help="What it is for.")
@click.option("--team", help="The team that answers for it; an empty text: none.")
@click.option("--role", type=click.Choice(_ROLES), help="In the organization.")
def change_account(invocation: Invocation, account: str, **given: str | None) -> None:
    """Change what a service account is for, whose it is, or its role."""
    changes: Json = {key: value for key, value in given.items() if value is not None}
    if not changes:
        raise Usage("Nothing to change was said.", next_step="Add --description, --team or --role.")
    if changes.get("team") == "":
        changes["team"] = None
    _patch(invocation, account, changes)
    invocation.output.say(f"Changed {account}.")


@command("deactivate")
@click.argument("account")
def deactivate_account(invocation: Invocation, account: str) -> None:
    """End a service account's tokens at once."""
    _patch(invocation, account, {"active": False})
    invocation.output.say(f"{account} is locked out.")


@command("activate")
@click.argument("account")
def activate_account(invocation: Invocation, account: str) -> None:
    """Let a service account have tokens again; its old ones stay ended."""
    _patch(invocation, account, {"active": True})
    invocation.output.say(f"{account} may have tokens again.")


def _patch(invocation: Invocation, account: str, changes: Json) -> None:
    from highroad.client.api import path_of

    with invocation.client() as client:
        changed = client.patch(path_of("service-accounts", account), changes)
    invocation.output.document(changed)


service_accounts = group(
    "service-accounts",
    list_accounts,
    create_account,
    create_token,
    change_account,
    deactivate_account,
    activate_account,
    help="List, create and deactivate accounts for programs.",
)

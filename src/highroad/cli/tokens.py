"""tokens: what lets programs in, with scopes or with a policy, and what to do about one that leaked."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from highroad.cli.command import command, group
from highroad.cli.failures import Usage
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago


@command("list")
@click.option("--all", "everybody", is_flag=True, help="Everybody's, if you may see them.")
def list_tokens(invocation: Invocation, everybody: bool) -> None:
    """List your tokens, or everybody's, without their secrets."""
    with invocation.client() as client:
        found = list(client.items("/tokens", account="everybody")) if everybody else list(client.items("/tokens"))
    invocation.output.document({"items": found})
    head = ("ID", "NAME", "SCOPES", "EXPIRES", "LAST USED")
    rows = [
        (
            each["id"],
            each.get("name"),
            "policy" if each.get("policy") else ",".join(each.get("scopes") or []),
            "revoked" if each.get("revoked_at") else _day(each.get("expires_at")),
            ago(each.get("last_used_at")),
            *((each.get("account_name"),) if everybody else ()),
        )
        for each in found
    ]
    invocation.output.table((*head, "ACCOUNT") if everybody else head, rows, empty="No tokens.")


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


@command("revoke-leaked")
@click.option("--where", default="", help="Where they were found, for the audit log.")
def revoke_leaked(invocation: Invocation, where: str) -> int:
    """Revoke tokens that leaked. They are read from stdin, one a line; nobody needs to be signed in for it."""
    from highroad.client.api import Client

    if sys.stdin.isatty():
        invocation.output.note("Paste the tokens, one a line, then Ctrl-D:")
    secrets = sys.stdin.read().split()
    if not secrets:
        raise Usage("No token was given.", next_step="Pass them on stdin, never as an argument: others can see those.")
    with Client(invocation.url) as client:
        found = client.post("/tokens/leaked", {"tokens": secrets, "where": where})
    invocation.output.document(found)
    words = {
        "revoked": "was revoked",
        "ended": "had been revoked before",
        "unknown": f"is not of {invocation.url}",
        "not-a-token": "is no token",
    }
    for number, each in enumerate(found["items"], start=1):
        named = f" ({each['token']})" if each.get("token") else ""
        invocation.output.say(f"{number}.{named} {words.get(each['outcome'], each['outcome'])}")
    return 0 if all(each["outcome"] in ("revoked", "ended") for each in found["items"]) else 1


@command("policies")
def list_policy_tokens(invocation: Invocation) -> None:
    """List the policy tokens."""
    with invocation.client() as client:
        found = list(client.items("/policy-tokens"))
    invocation.output.document({"items": found})
    rows = [
        (
            each["name"],
            "yes" if each.get("active") else "no",
            _day((each.get("token") or {}).get("expires_at")),
            ago((each.get("token") or {}).get("last_used_at")),
            each.get("description"),
        )
        for each in found
    ]
    head = ("NAME", "ACTIVE", "EXPIRES", "LAST USED", "FOR")
    invocation.output.table(head, rows, empty="None yet: highroad tokens create-policy NAME FILE")


@command("show-policy")
@click.argument("name")
def show_policy(invocation: Invocation, name: str) -> None:
    """Print what a policy token may do."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        found = client.get(path_of("policy-tokens", name))
    invocation.output.document(found)
    invocation.output.say(str(found["policy"]).rstrip("\n"))


_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)


@command("create-policy")
@click.argument("name")
@click.argument("file", type=_FILE)
@click.option("--description", default="", help="What it is for.")
@click.option("--team", help="The team that answers for it.")
@click.option("--days", default=90, show_default=True, type=click.IntRange(1), help="When it expires.")
def create_policy(invocation: Invocation, name: str, file: str, description: str, team: str | None, days: int) -> None:
    """Make a token that may do what the Cedar policy in FILE (or -) allows, and nothing else."""
    body = {
        "name": name,
        "policy": _read(file),
        "description": description,
        "team": team,
        "expires_in_days": days,
    }
    with invocation.client() as client:
        made = client.post("/policy-tokens", body)
    invocation.output.document(made)
    invocation.output.note(f"Policy token {name}, shown this once:")
    invocation.output.say(str(made["secret"]))


@command("change-policy")
@click.argument("name")
@click.argument("file", type=_FILE)
def change_policy(invocation: Invocation, name: str, file: str) -> None:
    """Give a policy token another policy, in force at once."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        changed = client.patch(path_of("policy-tokens", name), {"policy": _read(file)})
    invocation.output.document(changed)
    invocation.output.say(f"{name} may do what the new policy allows, from now on.")


@command("end-policy")
@click.argument("name")
def end_policy(invocation: Invocation, name: str) -> None:
    """End a policy token at once and for good."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        client.delete(path_of("policy-tokens", name))
    invocation.output.document({"name": name, "ended": True})
    invocation.output.say(f"{name} is ended.")


def _read(file: str) -> str:
    return sys.stdin.read() if file == "-" else Path(file).read_text()


def _day(instant: object) -> str:
    return str(instant)[:10] if instant else "never"


tokens = group(
    "tokens",
    list_tokens,
    create_token,
    revoke_token,
    revoke_leaked,
    list_policy_tokens,
    show_policy,
    create_policy,
    change_policy,
    end_policy,
    help="List, create and revoke tokens.",
)

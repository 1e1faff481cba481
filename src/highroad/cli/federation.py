"""providers and trust: whom the installation believes, when people sign in and when CI jobs ask for a token."""

from __future__ import annotations

import sys
from typing import Any

import click

from highroad.cli.command import command, group
from highroad.cli.failures import Usage
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago
from highroad.client.problems import Json

GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"


# Providers


@command("list")
def list_providers(invocation: Invocation) -> None:
    """List the providers that people sign in with."""
    with invocation.client() as client:
        found = list(client.items("/sign-in-providers"))
    invocation.output.document({"items": found})
    rows = [
        (each["name"], "yes" if each.get("active") else "no", ",".join(each.get("domains") or []), each.get("issuer"))
        for each in found
    ]
    invocation.output.table(("PROVIDER", "ACTIVE", "DOMAINS", "ISSUER"), rows, empty="No provider is set up.")


@command("add")
@click.argument("name")
@click.option("--issuer", required=True, metavar="URL", help="Exactly as the provider names itself.")
@click.option("--client-id", required=True, metavar="ID", help="What the provider calls Highroad.")
@click.option("--public", is_flag=True, help="There is no client secret.")
@click.option("--title", default="", help="What stands on the button; default: the name.")
@click.option("--scope", "scopes", multiple=True, help="What is asked for; default: openid, email, profile.")
@click.option("--domain", "domains", multiple=True, help="An email domain that it answers for; may be repeated.")
@click.option("--trust-email", is_flag=True, help="Take addresses without email_verified; needs --domain.")
@click.option("--create-users", is_flag=True, help="Whoever signs in for the first time becomes a user.")
@click.option("--group-claim", default="", metavar="CLAIM", help="The claim with the groups, such as groups.")
@click.option("--group", "groups", multiple=True, metavar="PATTERN=TEAM", help="Who is in which team; =* for alike.")
def add_provider(
    invocation: Invocation,
    name: str,
    issuer: str,
    client_id: str,
    public: bool,
    trust_email: bool,
    create_users: bool,
    groups: tuple[str, ...],
    scopes: tuple[str, ...],
    **given: Any,
) -> None:
    """Set up a sign-in provider. Its client secret is asked for, or read from stdin."""
    body = given | {
        "name": name,
        "issuer": issuer,
        "client_id": client_id,
        "client_secret": None if public else _secret(),
        "email_trust": "always" if trust_email else "verified",
        "creates_users": create_users,
        "domains": list(given["domains"]),
        "groups": [dict(zip(("group", "team"), _pair(each), strict=True)) for each in groups],
    }
    if scopes:
        body["scopes"] = ["openid", *(each for each in scopes if each != "openid")]
    with invocation.client() as client:
        made = client.post("/sign-in-providers", body)
    invocation.output.document(made)
    invocation.output.say(f"{name} is set up. Register this redirect address there, letter by letter:")
    invocation.output.say(f"  {made.get('redirect_uri')}")
    invocation.output.say(f"Then: highroad providers test {name}")


@command("test")
@click.argument("name")
def check_provider(invocation: Invocation, name: str) -> int:
    """Ask a provider what it publishes, and say what is wrong with it."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        found = client.post(path_of("sign-in-providers", name, "test"), {})
    invocation.output.document(found)
    for each in found.get("findings") or []:
        sign = {"good": "✓", "warning": "!", "bad": "✗"}.get(str(each.get("state")), "?")
        invocation.output.say(f"{sign} {each.get('what')}")
        if each.get("next_step") and each.get("state") != "good":
            invocation.output.say(f"  {each['next_step']}")
    return 0 if found.get("works") else 1


@command("disable")
@click.argument("name")
def disable_provider(invocation: Invocation, name: str) -> None:
    """Switch a provider off: nobody signs in with it, and its sessions end."""
    _switch(invocation, "sign-in-providers", name, active=False)


@command("enable")
@click.argument("name")
def enable_provider(invocation: Invocation, name: str) -> None:
    """Switch a provider on again."""
    _switch(invocation, "sign-in-providers", name, active=True)


@command("remove")
@click.argument("name")
def remove_provider(invocation: Invocation, name: str) -> None:
    """Remove a provider, its sessions and the memberships that it gave. Users stay."""
    _remove(invocation, "sign-in-providers", name)


# Trust


@command("list")
def list_rules(invocation: Invocation) -> None:
    """List which CI jobs get a token of which service account."""
    with invocation.client() as client:
        found = list(client.items("/trust-rules"))
    invocation.output.document({"items": found})
    rows = [
        (
            each["name"],
            "yes" if each.get("active") else "no",
            each.get("account"),
            ago(each.get("last_used_at")),
            _shown(each),
        )
        for each in found
    ]
    invocation.output.table(
        ("RULE", "ACTIVE", "ACTS AS", "LAST USED", "JOBS WITH"), rows, empty="No job is trusted: highroad trust add"
    )


@command("add")
@click.argument("name")
@click.option("--as", "account", required=True, metavar="ACCOUNT", help="The service account whose token jobs get.")
@click.option("--github", metavar="OWNER/REPO", help="Jobs of this repository's GitHub Actions.")
@click.option("--gitlab", metavar="GROUP/PROJECT", help="Jobs of this project's GitLab pipelines.")
@click.option("--issuer", metavar="URL", help="Another issuer, such as a GitLab of your own.")
@click.option("--branch", help="Only on this branch; may have a pattern.")
@click.option("--environment", help="Only for this environment of GitHub or GitLab.")
@click.option("--when", "conditions", multiple=True, metavar="CLAIM=PATTERN", help="A further condition.")
@click.option("--audience", metavar="TEXT", help="For whom the job's token is; default: this installation's address.")
@click.option("--scope", "scopes", multiple=True, type=click.Choice(["read", "write", "git"]), help="Default: both.")
@click.option("--minutes", default=15, show_default=True, type=click.IntRange(1, 15), help="How long a token lives.")
@click.option("--repeatable", is_flag=True, help="A job may exchange the same identity token again.")
def add_rule(
    invocation: Invocation,
    name: str,
    github: str | None,
    gitlab: str | None,
    issuer: str | None,
    branch: str | None,
    environment: str | None,
    conditions: tuple[str, ...],
    scopes: tuple[str, ...],
    repeatable: bool,
    **given: Any,
) -> None:
    """Trust CI jobs: those that fulfil all conditions get a token of the service account for some minutes."""
    if bool(github) == bool(gitlab) and not (issuer and conditions):
        raise Usage(
            "Whose jobs?", next_step="Give --github OWNER/REPO, --gitlab GROUP/PROJECT, or --issuer and --when."
        )
    wanted = [_pair(each) for each in conditions]
    if github:
        wanted.append(("repository", github))
    if gitlab:
        wanted.append(("project_path", gitlab))
    if branch:
        wanted.append(("ref_path" if gitlab else "ref", f"refs/heads/{branch}"))
    if environment:
        wanted.append(("environment", environment))
    body = given | {
        "name": name,
        "issuer": issuer or (GITHUB if github else GITLAB),
        "conditions": [{"claim": claim, "pattern": pattern} for claim, pattern in wanted],
        "scopes": list(scopes) or ["read", "write"],
        "once": not repeatable,
    }
    with invocation.client() as client:
        made = client.post("/trust-rules", body)
    invocation.output.document(made)
    invocation.output.say(f"Jobs with {_shown(made)} act as {made.get('account')}.")
    invocation.output.say(f"In the job: highroad login {invocation.url} --workload (audience {made.get('audience')})")


@command("disable")
@click.argument("name")
def disable_rule(invocation: Invocation, name: str) -> None:
    """Switch a rule off. Tokens that jobs have run out by themselves."""
    _switch(invocation, "trust-rules", name, active=False)


@command("enable")
@click.argument("name")
def enable_rule(invocation: Invocation, name: str) -> None:
    """Switch a rule on again."""
    _switch(invocation, "trust-rules", name, active=True)


@command("remove")
@click.argument("name")
def remove_rule(invocation: Invocation, name: str) -> None:
    """Remove a rule for good."""
    _remove(invocation, "trust-rules", name)


def _shown(rule: Json) -> str:
    return " ".join(f"{each['claim']}={each['pattern']}" for each in rule.get("conditions") or [])


def _switch(invocation: Invocation, kind: str, name: str, *, active: bool) -> None:
    from highroad.client.api import path_of

    with invocation.client() as client:
        changed = client.patch(path_of(kind, name), {"active": active})
    invocation.output.document(changed)
    invocation.output.say(f"{name} is {'on' if active else 'off'}.")


def _remove(invocation: Invocation, kind: str, name: str) -> None:
    from highroad.client.api import path_of

    with invocation.client() as client:
        client.delete(path_of(kind, name))
    invocation.output.document({"name": name, "removed": True})
    invocation.output.say(f"Removed {name}.")


def _pair(text: str) -> tuple[str, str]:
    first, equals, second = text.partition("=")
    if not equals or not first or not second:
        raise Usage(f"{text!r} has no `=` with something on both sides.", next_step="Write NAME=VALUE.")
    return first, second


def _secret() -> str:
    """Read without echo from a terminal, else one line of stdin: a secret in the arguments would be seen by `ps`."""
    given = click.prompt("Client secret", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline()
    if not given.strip():
        raise Usage("The client secret is empty.", next_step="Type it, pipe it in, or say --public.")
    return str(given).strip()


providers = group(
    "providers",
    list_providers,
    add_provider,
    check_provider,
    disable_provider,
    enable_provider,
    remove_provider,
    help="Sign-in providers: list, add, test, switch and remove them.",
)
trust = group(
    "trust",
    list_rules,
    add_rule,
    disable_rule,
    enable_rule,
    remove_rule,
    help="Trust rules for CI jobs: list, add, switch and remove them.",
)

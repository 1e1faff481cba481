"""policies, can-i and who-can: what the company forbids and permits, and what follows from it for somebody."""

from __future__ import annotations

import difflib
import sys
from pathlib import Path

import click

from highroad.cli.command import command, group
from highroad.cli.failures import Usage
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago
from highroad.client.problems import Json

_FILE = click.Path(exists=True, dir_okay=False, allow_dash=True)
_SHOWN = 20


@command("list")
def list_policies(invocation: Invocation) -> None:
    """List the policies of your company."""
    with invocation.client() as client:
        found = list(client.items("/policies"))
    invocation.output.document({"items": found})
    rows = [
        (each["name"], f"version {each['in_force']}" if each.get("in_force") else "off", ago(each.get("created_at")))
        for each in found
    ]
    invocation.output.table(("POLICY", "IN FORCE", "SINCE"), rows, empty="None yet: highroad policies apply NAME FILE")


@command("show")
@click.argument("name")
def show_policy(invocation: Invocation, name: str) -> None:
    """Print the text of a policy."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        found = client.get(path_of("policies", name))
    invocation.output.document(found)
    in_force = found.get("in_force")
    invocation.output.note(f"Version {found['version']}" + (", in force." if in_force else "; switched off."))
    invocation.output.say(str(found["text"]).rstrip("\n"))


@command("check")
@click.argument("file", type=_FILE)
@click.option("--name", default="candidate", help="The policy whose place it would take.")
@click.option("--days", default=30, show_default=True, type=click.IntRange(1, 90), help="How far back to look.")
def check_policy(invocation: Invocation, file: str, name: str, days: int) -> int:
    """Check a text, and say what it would have changed. Nothing is saved; exits with 1 when it is not valid."""
    with invocation.client() as client:
        found = client.post("/policies/check", {"text": _read(file), "name": name, "days": days})
    invocation.output.document(found)
    for problem in found["problems"]:
        invocation.output.say(f"{file}:{problem['line']}: {problem['detail']}")
    if found["dry_run"]:
        _say_dry_run(invocation, found["dry_run"], days)
    return 0 if found["valid"] else 1


def _say_dry_run(invocation: Invocation, run: Json, days: int) -> None:
    say = invocation.output.say
    say(f"Valid. Of {run['decisions']} decisions in the last {days} days:")
    for verb, count, key in (("refused", run["would_refuse"], "refused"), ("allowed", run["would_allow"], "allowed")):
        if count or verb == "refused":
            say(f"  this would have {verb} {count} {'action' if count == 1 else 'actions'}.")
        if run[key]:
            rows = [
                (ago(each["time"]), each["actor"], each["action"], each["place"], ", ".join(each["unknown"]))
                for each in run[key][:_SHOWN]
            ]
            invocation.output.table(("WHEN", "WHO", "WHAT", "WHERE", "NOT KNOWN OF IT"), rows, empty="")
    if run["left_out"]:
        invocation.output.note(
            f"{run['left_out']} more could not be decided again: accounts, places or roles have changed since."
        )
    if run["cut"]:
        invocation.output.note("There were more events than are looked at; these are the newest.")


@command("apply")
@click.argument("name")
@click.argument("file", type=_FILE)
@click.option("--note", default="", help="Why, for those who read its history.")
def apply_policy(invocation: Invocation, name: str, file: str, note: str) -> None:
    """Save a text as the policy's newest version, and put it in force."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        applied = client.put(path_of("policies", name), {"text": _read(file), "note": note})
    invocation.output.document(applied)
    invocation.output.say(f"{name} is in force in version {applied['version']}.")


@command("history")
@click.argument("name")
def show_history(invocation: Invocation, name: str) -> None:
    """Show the versions of a policy, newest first, with what each changed."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        found = list(client.items(path_of("policies", name, "history")))
    invocation.output.document({"items": found})
    for newer, older in zip(found, [*found[1:], {"text": ""}], strict=True):
        note = f": {newer['note']}" if newer.get("note") else ""
        invocation.output.say(f"Version {newer['version']}, {newer['author']}, {ago(newer['created_at'])}{note}")
        lines = difflib.unified_diff(str(older["text"]).splitlines(), str(newer["text"]).splitlines(), lineterm="", n=1)
        for line in list(lines)[2:]:
            invocation.output.raw_line(f"  {line}")


@command("revert")
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
def revert_policy(invocation: Invocation, name: str, version: int) -> None:
    """Put an earlier version in force; also one of a policy that is off."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        found = client.post(path_of("policies", name, "revert"), {"version": version})
    invocation.output.document(found)
    invocation.output.say(f"{name} is in force in version {version}.")


@command("disable")
@click.argument("name")
def disable_policy(invocation: Invocation, name: str) -> None:
    """Switch a policy off; its versions stay."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        found = client.post(path_of("policies", name, "disable"))
    invocation.output.document(found)
    invocation.output.say(f"{name} is off. To put it in force again: highroad policies revert {name} VERSION")


@command("delete")
@click.argument("name")
def delete_policy(invocation: Invocation, name: str) -> None:
    """Delete a policy with its history."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        client.delete(path_of("policies", name))
    invocation.output.document({"name": name, "deleted": True})
    invocation.output.say(f"Deleted {name}.")


@command("schema")
def show_schema(invocation: Invocation) -> None:
    """Print the Cedar schema that policies are checked against."""
    with invocation.client() as client:
        found = client.get("/policies/schema")
    invocation.output.document(found)
    invocation.output.say(str(found["schema"]).rstrip("\n"))


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text()
    except UnicodeDecodeError as error:
        raise Usage(f"{file} is not a text.", next_step="Pass a file of Cedar statements.") from error


@command("can-i", needs="service")
@click.argument("verb")
@click.argument("place", required=False)
def can_i(invocation: Invocation, verb: str, place: str | None) -> int:
    """Say whether you may do something, and why: deploy, rollback, push, logs, reveal, approve, grant, ...

    PLACE is PROJECT/ENVIRONMENT, PROJECT/ENVIRONMENT/SERVICE, PROJECT, or this repository's. Exits with 1 for no.
    """
    with invocation.client() as client:
        found = client.get("/access/can-i", action=verb, place=_place(invocation, place))
    invocation.output.document(found)
    answer = invocation.output.paint("yes", "green") if found["allowed"] else invocation.output.paint("no", "red")
    invocation.output.say(f"{answer}: {found['action']} in {found['place']}. {found['reason']}")
    if found.get("ask"):
        invocation.output.note(f"Who could grant it: {', '.join(found['ask'])}")
    return 0 if found["allowed"] else 1


@command("who-can", needs="service")
@click.argument("verb")
@click.argument("place", required=False)
def who_can(invocation: Invocation, verb: str, place: str | None) -> None:
    """List who may do something, and why: people, service accounts and tokens.

    PLACE is PROJECT/ENVIRONMENT, PROJECT/ENVIRONMENT/SERVICE, PROJECT, or this repository's.
    """
    with invocation.client() as client:
        found = client.get("/access/who-can", action=verb, place=_place(invocation, place))
    invocation.output.document(found)
    rows = [(each["name"], each["kind"], ", ".join(each["tokens"]), each["reason"]) for each in found["items"]]
    invocation.output.table(("WHO", "KIND", "TOKENS", "WHY"), rows, empty=f"Nobody may do {found['action']} there.")


def _place(invocation: Invocation, given: str | None) -> str:
    """The place named, else the options' or the repository's; nothing for the organization."""
    if given is not None:
        return given
    if invocation.given_project is None:
        return ""
    service = f"/{invocation.given_service}" if invocation.given_service else ""
    return f"{invocation.given_project}/{invocation.environment}{service}"


policies = group(
    "policies",
    list_policies,
    show_policy,
    check_policy,
    apply_policy,
    show_history,
    revert_policy,
    disable_policy,
    delete_policy,
    show_schema,
    help="Write what your company forbids and permits, check it and take it back.",
)

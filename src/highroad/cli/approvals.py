"""approvals, approve, refuse, break-glass: what waits for people, and what they say to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from highroad.cli.command import command, group
from highroad.cli.failures import Usage
from highroad.cli.following import say_waiting, watch_deployment
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago, person
from highroad.cli.ship import say_plan
from highroad.client.problems import Json

if TYPE_CHECKING:
    from highroad.client.api import Client

_NUMBERED = re.compile(r"[dD]#?(\d{1,9})")
_MOST_FILES = 40


@command("list")
def list_approvals(invocation: Invocation) -> None:
    """List the deployments that wait; those that wait for you first."""
    with invocation.client() as client:
        found = sorted(client.items("/approvals"), key=lambda each: not each.get("for_you"))
    invocation.output.document({"items": found})
    rows = [
        (
            each["deployment"],
            "you" if each.get("for_you") else "",
            f"{each.get('project')}/{each.get('service')}",
            each.get("environment"),
            person(each.get("actor")),
            ago(each.get("since")),
            each.get("waiting"),
        )
        for each in found
    ]
    headers = ("DEPLOYMENT", "FOR", "SERVICE", "ENVIRONMENT", "BY", "SINCE", "WAITING")
    invocation.output.table(headers, rows, empty="Nothing waits.")


@command("show", needs="service")
@click.argument("identity", metavar="ID")
@click.option("--patch", "with_patch", is_flag=True, help="Print the patch too.")
def show_approval(invocation: Invocation, identity: str, with_patch: bool) -> None:
    """Show what an approver has to know: plan, commits, files, tests, risk, and who said what."""
    with invocation.client() as client:
        found = _detail(invocation, client, identity)
    invocation.output.document(found)
    _say_detail(invocation, found, with_patch=with_patch)


@command("approve", needs="service")
@click.argument("identity", metavar="ID")
@click.option("-m", "comment", default="", help="What you want to say with it.")
def approve(invocation: Invocation, identity: str, comment: str) -> None:
    """Approve a deployment that waits, as it is planned now. See it first: highroad approvals show ID"""
    with invocation.client() as client:
        found = _detail(invocation, client, identity)
        body = {"plan": found["plan_version"], "comment": comment}
        _say_outcome(invocation, client.post(f"/deployments/{found['deployment']}/approve", body), "Approved")


@command("refuse", needs="service")
@click.argument("identity", metavar="ID")
@click.option("-m", "comment", required=True, help="Why; whoever asked for it reads this.")
def refuse(invocation: Invocation, identity: str, comment: str) -> None:
    """Refuse a deployment that waits, which ends it."""
    with invocation.client() as client:
        id = _deployment_id(invocation, client, identity)
        _say_outcome(invocation, client.post(f"/deployments/{id}/refuse", {"comment": comment}), "Refused")


@command("break-glass", needs="service")
@click.argument("identity", metavar="ID")
@click.option("-m", "reason", required=True, help="Why the gates cannot be waited for; everybody reads this.")
def break_glass(invocation: Invocation, identity: str, reason: str) -> int:
    """In an emergency, let a deployment pass the gates that are closed now. It is announced loudly."""
    with invocation.client() as client:
        id = _deployment_id(invocation, client, identity)
        passed = client.post(f"/deployments/{id}/break-glass", {"reason": reason})
        watch_deployment(invocation, client, passed)
    return 0


def _deployment_id(invocation: Invocation, client: Client, identity: str) -> str:
    """Of an id, or of a number (d11) in the environment."""
    numbered = _NUMBERED.fullmatch(identity)
    if numbered is None:
        if not identity.startswith("dep_"):
            raise Usage(
                f"{identity!r} is no deployment.", next_step="Name it by its id or number: highroad approvals list"
            )
        return identity
    for each in client.items(f"{invocation.target.placement_path}/deployments"):
        if each.get("number") == int(numbered[1]):
            return str(each["id"])
    raise Usage(f"There is no deployment {identity} here.", next_step="highroad approvals list")


def _detail(invocation: Invocation, client: Client, identity: str) -> Json:
    from highroad.client.api import path_of

    return client.get(path_of("deployments", _deployment_id(invocation, client, identity)) + "/approval")


def _say_outcome(invocation: Invocation, deployment: Json, word: str) -> None:
    invocation.output.document(deployment)
    name = f"{deployment.get('kind')} {deployment.get('number')} to {deployment.get('environment')}"
    if deployment.get("state") == "waiting":
        invocation.output.say(f"{word}: {name}.")
        say_waiting(invocation, deployment)
    elif word == "Refused":
        invocation.output.say(f"Refused: {name} has ended.")
    else:
        invocation.output.say(f"{word}: {name} goes. Follow it: highroad show {deployment['id']} --follow")


def _say_detail(invocation: Invocation, found: Json, *, with_patch: bool) -> None:
    output = invocation.output
    where = f"{found.get('project')}/{found.get('service')}/{found.get('environment')}"
    output.say(f"{found.get('kind')} {found.get('number')} of {where}, asked for by {person(found.get('actor'))}")
    output.say(f"{found.get('waiting')} (until {str(found.get('expires_at'))[:16].replace('T', ' ')} UTC)")
    if found.get("voided"):
        output.say(f"Earlier approvals are void: {found['voided']}.")
    for each in found.get("said") or []:
        doubt = "" if each.get("counts") else f" (does not count: {each.get('why_not')})"
        output.say(f"  {each.get('verdict')} by {each.get('user')}{doubt} {each.get('comment') or ''}".rstrip())
    say_plan(invocation, found.get("plan") or {})
    risk = found.get("risk") or {}
    output.say(f"Risk: {risk.get('level')} ({risk.get('score')} of 100)")
    for reason in risk.get("reasons") or []:
        output.say(f"  {reason.get('points'):+3d} {reason.get('words')}")
    output.say(f"Tests: {found.get('tests')}")
    output.say(f"Scans: {found.get('scans')}")
    _say_changes(invocation, found, with_patch=with_patch)
    if found.get("for_you"):
        output.say(
            f"Approve: highroad approve {found['deployment']}   Refuse: highroad refuse {found['deployment']} -m"
        )


def _say_changes(invocation: Invocation, found: Json, *, with_patch: bool) -> None:
    output = invocation.output
    words = {"back": "Commits that are taken back", "first": "Newest commits; nothing runs there yet"}
    output.say(f"{words.get(str(found.get('direction')), 'Commits')}: {len(found.get('commits') or [])}")
    for each in found.get("commits") or []:
        output.say(f"  {str(each.get('sha'))[:10]} {each.get('subject')} ({each.get('author')})")
    files = found.get("files") or []
    for each in files[:_MOST_FILES]:
        added, removed = each.get("added"), each.get("removed")
        counts = "binary" if added is None else f"+{added} -{removed}"
        output.say(f"  {counts:>12}  {each.get('path')}")
    if len(files) > _MOST_FILES:
        output.say(f"  and {len(files) - _MOST_FILES} more files")
    if with_patch:
        output.say(str(found.get("patch") or ""))


approvals = group("approvals", list_approvals, show_approval, help="List and show deployments that wait.")

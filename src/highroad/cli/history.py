"""What was done: runs and deployments, their logs and test results, and how to cancel one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

from highroad.cli.command import command, completed_by
from highroad.cli.following import handle, say_tasks, watch_deployment, watch_run
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago, duration, person
from highroad.cli.ship import say_plan
from highroad.client.problems import ApiProblem, Json
from highroad.errors import NotFound

if TYPE_CHECKING:
    from highroad.client.api import Client

_COLLECTIONS = ("runs", "deployments", "commands")
_PREFIXES = {"run": "runs", "dep": "deployments", "cmd": "commands", "com": "commands"}


_DEPLOYMENT = re.compile(r"[dD]#?(\d{1,9})")


class NoSuchRun(NotFound):
    code = "no-such-run"
    title = "There is no such run"


class NoSuchDeployment(NotFound):
    code = "no-such-deployment"
    title = "There is no such deployment"


@command("runs", needs="service")
@click.option("-n", "limit", default=20, show_default=True, type=click.IntRange(1), help="How many, newest first.")
def runs(invocation: Invocation, limit: int) -> None:
    """List the pipeline runs of the service."""
    with invocation.client() as client:
        found = list(client.items(f"{invocation.target.service_path}/runs", limit=limit))
    invocation.output.document({"items": found})
    say_runs(invocation, found)


def say_runs(invocation: Invocation, found: list[Json]) -> None:
    rows = [
        (
            each.get("number"),
            each.get("state"),
            _deployed(each),
            each.get("branch"),
            str(each.get("commit") or "")[:10],
            ago(each.get("created_at")),
            str(each.get("message") or "").partition("\n")[0],
        )
        for each in found
    ]
    headers = ("RUN", "STATE", "DEPLOYED", "BRANCH", "COMMIT", "STARTED", "MESSAGE")
    invocation.output.table(headers, rows, empty=f"No run yet: {invocation.push_command}")


def _deployed(run: Json) -> str:
    """`yes`, nothing when nothing was to be deployed, or the state of what is not deployed (yet)."""
    states = [str(each.get("state")) for each in run.get("deployed") or []]
    return next(
        (each for each in ("failed", *states) if each in states and each != "succeeded"), "yes" if states else ""
    )


@command("deployments", needs="service")
@click.option("-n", "limit", default=20, show_default=True, type=click.IntRange(1), help="How many, newest first.")
def deployments(invocation: Invocation, limit: int) -> None:
    """List the deployments of the service in the environment: deploys, rollbacks, restarts, scalings."""
    with invocation.client() as client:
        found = list(client.items(f"{invocation.target.placement_path}/deployments", limit=limit))
    invocation.output.document({"items": found})
    rows = [
        (
            f"d{each.get('number')}",
            each.get("kind"),
            each.get("state"),
            (each.get("release") or {}).get("number"),
            ago(each.get("created_at")),
            person(each.get("actor")),
            each.get("reason"),
        )
        for each in found
    ]
    headers = ("DEPLOYMENT", "KIND", "STATE", "RELEASE", "STARTED", "BY", "WHY")
    invocation.output.table(headers, rows, empty=f"No deployment yet: {invocation.push_command}")


@command("show", needs="service")
@click.argument("identity", metavar="[RUN|DEPLOYMENT]", required=False, shell_complete=completed_by("run"))
@click.option("--log", "with_log", is_flag=True, help="Print its log too.")
@click.option("-f", "--follow", is_flag=True, help="Print its log and follow it to its end.")
def show(invocation: Invocation, identity: str | None, with_log: bool, follow: bool) -> int:
    """Show a run or a deployment: its tasks, plan, reason and log. A number is a run of this service, d11 its
    deployment 11 in the environment; default: the newest run."""
    with invocation.client() as client:
        collection, found = _find(invocation, client, identity, ("runs", "deployments"))
        if follow and collection == "runs":
            return watch_run(invocation, client, found)
        if follow:
            watch_deployment(invocation, client, found)
            return 0
        lines = client.get(f"/{collection}/{found['id']}/log").get("items", []) if with_log else []
    invocation.output.document({**found, "log": lines} if with_log else found)
    _say_resource(invocation, collection, found)
    for line in lines:
        invocation.output.log_line(str(line.get("task") or "highroad"), str(line.get("text", "")))
    return 0


@command("tests", needs="service")
@click.argument("identity", metavar="[RUN]", required=False, shell_complete=completed_by("run"))
def tests(invocation: Invocation, identity: str | None) -> int:
    """Show the test results of a run, failures first; default: the newest run. Ends with 1 when tests failed."""
    with invocation.client() as client:
        _, run = _find(invocation, client, identity, ("runs",))
        results = client.get(f"/runs/{run['id']}/tests")
    output, cases = invocation.output, results.get("items") or []
    output.document(results)
    bad = [case for case in cases if case.get("outcome") in ("failed", "error", "errored")]
    ordered = [*bad, *(case for case in cases if case not in bad)]
    rows = [
        (each.get("outcome"), duration(each.get("seconds")), f"{each.get('suite')} {each.get('name')}".strip())
        for each in ordered
    ]
    output.table(("OUTCOME", "TIME", "TEST"), rows, empty="This run recorded no test results.")
    for case in bad:
        output.say(f"\n{output.paint(str(case.get('name')), 'red')}\n{case.get('message') or ''}")
    totals = results.get("totals") or {}
    if totals:
        output.say("\n" + ", ".join(f"{value} {name}" for name, value in totals.items()))
    return 1 if bad else 0


@command("cancel", needs="service")
@click.argument("identity", metavar="ID", shell_complete=completed_by("run"))
def cancel(invocation: Invocation, identity: str) -> None:
    """Cancel a run (7), a deployment (d11) or a command. A cancelled deployment leaves the old version serving."""
    with invocation.client() as client:
        collection, found = _find(invocation, client, identity, _COLLECTIONS)
        cancelled = client.post(f"/{collection}/{found['id']}/cancel")
    invocation.output.document(cancelled or found)
    invocation.output.say(f"Cancelling {found['id']}.")


def _find(invocation: Invocation, client: Client, identity: str | None, among: tuple[str, ...]) -> tuple[str, Json]:
    """The collection and the resource of an id, of the number of a run of this service or, as d11, of a deployment in
    the environment, or of its newest run."""
    if identity is None or identity.lstrip("#").isdigit():
        number = int(identity.lstrip("#")) if identity else None
        for run in client.items(f"{invocation.target.service_path}/runs"):
            if number is None or run.get("number") == number:
                return "runs", client.get(f"/runs/{run['id']}")
        raise NoSuchRun(
            f"{invocation.target.service} has no run {number}." if number else "This service has no run yet.",
            next_step="highroad runs" if number else invocation.push_command,
        )
    if "deployments" in among and (wanted := _DEPLOYMENT.fullmatch(identity)):
        for deployment in client.items(f"{invocation.target.placement_path}/deployments"):
            if deployment.get("number") == int(wanted[1]):
                return "deployments", deployment
        target = invocation.target
        raise NoSuchDeployment(
            f"{target.service} has no deployment {wanted[1]} in {target.environment}.", next_step="highroad deployments"
        )
    from highroad.client.api import path_of

    known = _PREFIXES.get(identity.partition("_")[0])
    order = [known] if known in among else list(among)
    for collection in order:
        try:
            return collection, client.get(path_of(collection, identity))
        except ApiProblem as problem:
            if problem.answered != 404 or collection == order[-1]:
                raise
    raise AssertionError("the last collection returns or raises")


def _say_resource(invocation: Invocation, collection: str, found: Json) -> None:
    output = invocation.output
    kind = "Run" if collection == "runs" else str(found.get("kind") or "deployment").capitalize()
    where = "/".join(str(found[key]) for key in ("project", "service", "environment") if found.get(key))
    output.say(f"{kind} {found.get('number')} of {where}: {output.state(found.get('state'))}  ({found['id']})")
    commit, message = str(found.get("commit") or "")[:10], str(found.get("message") or "").partition("\n")[0]
    if commit:
        output.say(f"  {found.get('branch')} {commit} {message} ({person(found.get('author'))})")
    output.say(f"  created {ago(found.get('created_at'))}")
    say_tasks(invocation, found)
    if found.get("plan"):
        say_plan(invocation, found["plan"])
    for each in found.get("deployed") or []:
        where = handle(invocation, {**found, **each})
        output.say(f"  {each.get('kind')} {where} to {each.get('environment')}: {output.state(each.get('state'))}")
        if each.get("state") != "succeeded":
            output.say(f"    Why:   {each.get('reason')}") if each.get("reason") else None
            output.say(f"    Next:  {each.get('next_step')}") if each.get("next_step") else None
    if found.get("url"):
        output.say(f"  {found['url']}")
    if found.get("reason"):
        output.say(f"Why:   {found['reason']}")
    if found.get("next_step"):
        output.say(f"Next:  {found['next_step']}")

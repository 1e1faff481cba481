"""Commands that change what runs: deploy, plan, rollback, releases, scale, restart, stop, start."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from highroad.cli.command import command, completed_by
from highroad.cli.failures import OperationFailed, Usage
from highroad.cli.following import handle, watch_deployment, watch_run
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago, person
from highroad.client.problems import Json

if TYPE_CHECKING:
    from highroad.cli.git import Repository
    from highroad.client.api import Client

_SIGNS = {"start": "+", "stop": "-", "keep": "=", "build": "*", "configure": "~", "route": "~"}
_break_glass = click.option(
    "--break-glass", "emergency", metavar="REASON", help="In an emergency, pass closed gates; everybody reads why."
)
_detach = click.option("-d", "--detach", is_flag=True, help="Return at once instead of following it to its end.")


@command("deploy", needs="service")
@click.option("-b", "--branch", help="The branch to deploy; default: the one checked out here.")
@click.option("--commit", help="A commit of the branch instead of its head; of the default branch if none is named.")
@_break_glass
@_detach
def deploy(invocation: Invocation, branch: str | None, commit: str | None, emergency: str | None, detach: bool) -> int:
    """Run the pipeline of a branch again, without a push: build, test and deploy what is there.

    New commits are deployed by `git push highroad BRANCH`.
    """
    if not branch and not commit:
        branch = invocation.repository.branch() if invocation.repository else ""
        branch = branch or "main"
    body = {name: value for name, value in (("branch", branch), ("commit", commit)) if value}
    with invocation.client() as client:
        run = client.post(f"{invocation.target.service_path}/runs", body)
        if detach and emergency is None:
            invocation.output.document(run)
            invocation.output.say(f"Run {run.get('number')} goes on. Follow it: highroad show {run['id']} --follow")
            return 0
        watch_run(invocation, client, run)
        if emergency is not None:
            for id in client.get(f"/runs/{run['id']}").get("deployments") or []:
                _pass(invocation, client, client.get(f"/deployments/{id}"), emergency, detach=detach)
        return 0


@command("plan", needs="service")
def plan(invocation: Invocation) -> int:
    """Show what was detected in this directory, why, and what deploying it would change. Changes nothing."""
    if invocation.target_or_none is None and invocation.repository is not None and not invocation.remembered:
        return _plan_unconnected(invocation, invocation.repository)
    target = invocation.target
    with invocation.client() as client:
        body: dict[str, object] = {"kind": "deploy"}
        reasons = _detected(invocation, client, body)
        planned = client.post(f"{target.placement_path}/plan", body)
    invocation.output.document({**planned, "reasons": reasons})
    say_plan(invocation, planned)
    problems = planned.get("problems") or []
    if problems:
        first = problems[0]
        raise OperationFailed(
            f"This cannot be deployed: {len(problems)} problem{'s' if len(problems) > 1 else ''}",
            "; ".join(str(problem.get("detail")) for problem in problems),
            next_step=str(first.get("next_step") or "Mend it, then plan again: highroad plan"),
        )
    return 0


def _plan_unconnected(invocation: Invocation, repository: Repository) -> int:
    """What this directory would be, before anything knows of it."""
    from highroad.cli.detection import detect_here, reasons_of, say_workload

    with invocation.client() as client:
        workload = detect_here(client, repository, repository.subdirectory)
    invocation.output.document({"connected": False, "reasons": reasons_of(workload), "next": "highroad init"})
    say_workload(invocation.output, workload)
    invocation.output.say("This directory is not connected to a service. Next: highroad init")
    return 0


def say_plan(invocation: Invocation, planned: Json) -> None:
    """A plan for people: its summary, changes and warnings."""
    output = invocation.output
    output.say(output.paint(str(planned.get("summary") or "Plan"), "bold"))
    for change in planned.get("changes") or []:
        sign = _SIGNS.get(str(change.get("kind")), "·")
        output.say(
            f"  {sign} {change.get('kind')!s:<10} {change.get('subject')}  {change.get('detail') or ''}".rstrip()
        )
    for warning in planned.get("warnings") or []:
        output.say(f"  {output.paint('!', 'yellow')} {warning}")


@command("rollback", needs="service")
@click.argument("release", required=False, shell_complete=completed_by("release"))
@_break_glass
@_detach
def rollback(invocation: Invocation, release: str | None, emergency: str | None, detach: bool) -> int:
    """Put an earlier release back, with its configuration and without building. Default: the one before."""
    body: dict[str, object] = {"kind": "rollback"}
    if release:
        number = release.lstrip("#v")
        body["release"] = int(number) if number.isdigit() else release
    return _change(invocation, body, detach=detach, emergency=emergency)


@command("scale", needs="service")
@click.argument("counts", nargs=-1, metavar="PROCESS=COUNT...", shell_complete=completed_by("process"))
@_detach
def scale(invocation: Invocation, counts: tuple[str, ...], detach: bool) -> int:
    """Set how many instances of a process run. Without arguments, show how many do."""
    if counts:
        return _change(invocation, {"kind": "scale", "counts": _counts(counts)}, detach=detach)
    with invocation.client() as client:
        placement = client.get(invocation.target.placement_path)
    processes = placement.get("processes") or []
    invocation.output.document({"items": processes})
    rows = [(each.get("name"), each.get("wanted"), each.get("running"), each.get("command")) for each in processes]
    invocation.output.table(("PROCESS", "WANTED", "RUNNING", "COMMAND"), rows, empty="Nothing was deployed yet.")
    return 0


@command("restart", needs="service")
@_detach
def restart(invocation: Invocation, detach: bool) -> int:
    """Replace all instances by new ones of the same release, without a gap."""
    return _change(invocation, {"kind": "restart"}, detach=detach)


@command("stop", needs="service")
@_detach
def stop(invocation: Invocation, detach: bool) -> int:
    """Stop all instances; `highroad start` brings them back."""
    return _change(invocation, {"kind": "stop"}, detach=detach)


@command("start", needs="service")
@_detach
def start(invocation: Invocation, detach: bool) -> int:
    """Start a stopped service with the release that it had."""
    return _change(invocation, {"kind": "start"}, detach=detach)


@command("releases", needs="service")
@click.option("-n", "limit", default=20, show_default=True, type=click.IntRange(1), help="How many, newest first.")
def releases(invocation: Invocation, limit: int) -> None:
    """List the releases of the service."""
    with invocation.client() as client:
        found = list(client.items(f"{invocation.target.service_path}/releases", limit=limit))
    invocation.output.document({"items": found})
    rows = [
        (
            each.get("number"),
            str(each.get("commit") or "")[:10],
            ", ".join(each.get("current_in") or []),
            ago(each.get("created_at")),
            person(each.get("author")),
            str(each.get("message") or "").partition("\n")[0],
        )
        for each in found
    ]
    headers = ("RELEASE", "COMMIT", "CURRENT IN", "MADE", "BY", "MESSAGE")
    invocation.output.table(headers, rows, empty=f"No release yet: {invocation.push_command}")


def _change(invocation: Invocation, body: dict[str, object], *, detach: bool, emergency: str | None = None) -> int:
    with invocation.client() as client:
        deployment = client.post(f"{invocation.target.placement_path}/deployments", body)
        if emergency is not None and deployment.get("state") == "waiting":
            deployment = client.post(f"/deployments/{deployment['id']}/break-glass", {"reason": emergency})
        if detach:
            invocation.output.document(deployment)
            invocation.output.say(f"It goes on. Follow it: highroad show {handle(invocation, deployment)} --follow")
        else:
            watch_deployment(invocation, client, deployment)
    return 0


def _pass(invocation: Invocation, client: Client, deployment: Json, reason: str, *, detach: bool) -> None:
    """Break the glass for a deployment that waits; one that does not is left alone."""
    if deployment.get("state") != "waiting":
        return
    passed = client.post(f"/deployments/{deployment['id']}/break-glass", {"reason": reason})
    if not detach:
        watch_deployment(invocation, client, passed)


def _counts(given: tuple[str, ...]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for each in given:
        name, equals, number = each.partition("=")
        if not equals or not name or not number.isdecimal():
            raise Usage(f"{each!r} is not PROCESS=COUNT.", next_step="Write it like: highroad scale web=2 worker=1")
        counts[name] = int(number)
    return counts


def _detected(invocation: Invocation, client: Client, body: dict[str, object]) -> list[dict[str, str]]:
    """Detect the workload of this repository into `body["workload"]`, when it is the service's repository."""
    from highroad.cli.detection import detect_here, reasons_of, say_workload
    from highroad.workload import codec

    repository, target = invocation.repository, invocation.target
    remembered = invocation.remembered
    if repository is None or (remembered.get("project"), remembered.get("service")) != (target.project, target.service):
        invocation.output.note("This directory is not the service's repository: planning its newest release.")
        return []
    path = str(client.get(target.service_path).get("path") or "")
    workload = detect_here(client, repository, path)
    body["workload"] = codec.dump(workload)
    say_workload(invocation.output, workload)
    return reasons_of(workload)

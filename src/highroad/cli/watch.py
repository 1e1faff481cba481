"""What is: status, the address, logs and events."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from highroad.cli.command import command, completed_by
from highroad.cli.failures import UNREACHABLE, Detached, OperationFailed
from highroad.cli.following import handle
from highroad.cli.happening import moment, sentence
from highroad.cli.history import say_runs
from highroad.cli.invocation import Invocation, Target
from highroad.cli.operator_token import local_installation
from highroad.cli.output import ago
from highroad.client.address import normal_url
from highroad.client.credentials import NotSignedIn
from highroad.client.problems import Json, NothingAnswers
from highroad.errors import NotFound

if TYPE_CHECKING:
    from highroad.client.api import Client


class NoSuchProcess(NotFound):
    code = "no-such-process"
    title = "There is no such process"


@command("status", needs="service")
def status(invocation: Invocation) -> int:
    """Show the installation, and where the service of this repository runs: instances, addresses, last runs.

    Without a sign-in it shows the installation alone."""
    try:
        client = invocation.client()
    except NotSignedIn as error:
        return _status_of_installation(invocation, error.next_step)
    try:
        return _status(invocation, client)
    except NothingAnswers:
        here = local_installation(invocation.environ)
        if here is None or normal_url(here.url) != invocation.url:
            raise
        return _say_stopped(invocation, here.url)


def _status_of_installation(invocation: Invocation, next_step: str) -> int:
    """What everybody may know; `next_step` is the way in."""
    from highroad.client.api import Client

    try:
        with Client(invocation.url, attempts=1) as client:
            system = client.get("/system")
    except NothingAnswers:
        here = local_installation(invocation.environ)
        if here is None or normal_url(here.url) != invocation.url:
            raise
        return _say_stopped(invocation, here.url)
    invocation.output.document({"system": system, "signed_in": False, "next": next_step})
    _say_system(invocation, system)
    invocation.output.say(f"You are not signed in. Next: {next_step.removeprefix('Sign in: ')}")
    return 0


def _say_stopped(invocation: Invocation, url: str) -> int:
    invocation.output.document({"system": {"url": url, "ready": False, "stopped": True}, "next": "highroad up"})
    invocation.output.say(f"Highroad at {url}: stopped. Start it: highroad up")
    return UNREACHABLE


def _status(invocation: Invocation, client: Client) -> int:
    target = invocation.target_or_none
    with client:
        system = client.get("/system")
        found: Json = {"system": system}
        if target is None:
            found["projects"] = list(client.items("/projects"))
        else:
            found["service"] = client.get(target.service_path)
            found["placements"] = found["service"].get("environments") or [client.get(target.placement_path)]
            found["runs"] = list(client.items(f"{target.service_path}/runs", limit=3))
    invocation.output.document(found)
    _say_system(invocation, system)
    if target is None:
        names = ", ".join(str(each["name"]) for each in found["projects"])
        invocation.output.say(f"Projects: {names}" if names else "No project yet: highroad init in a repository.")
        return 0
    for placement in found["placements"]:
        _say_placement(invocation, target, placement)
    invocation.output.say()
    say_runs(invocation, found["runs"])
    return 0


def _say_system(invocation: Invocation, system: Json) -> None:
    output = invocation.output
    ready = output.paint("ready", "green") if system.get("ready") else output.paint("not ready", "red")
    output.say(f"Highroad {system.get('version')} at {system.get('url')}: {ready}")
    if system.get("isolation"):
        output.say(f"  isolation: {', '.join(str(each) for each in system['isolation'])}")
    for warning in system.get("warnings") or []:
        output.say(f"  {output.paint('!', 'yellow')} {warning}")


def _say_placement(invocation: Invocation, target: Target, placement: Json) -> None:
    output = invocation.output
    release = placement.get("release") or {}
    version = f"release {release.get('number')} ({str(release.get('commit') or '')[:10]})" if release else "no release"
    where = f"{placement.get('project', target.project)}/{placement.get('service', target.service)}"
    output.say(f"\n{where} in {placement.get('environment')}: {output.state(placement.get('state'))}, {version}")
    if placement.get("url"):
        output.say(f"  {output.paint(str(placement['url']), 'bold')}")
    last = placement.get("last") or {}
    if last.get("state") == "failed":
        output.say(f"  {output.paint('Last deployment failed:', 'red')} {last.get('reason')}")
        output.say(f"  Next: highroad show {handle(invocation, {**placement, **last})}")
    for each in placement.get("processes") or []:
        schedule = (
            f"at {each['schedule']} UTC" if each.get("schedule") else f"{each.get('running')}/{each.get('wanted')}"
        )
        output.say(f"  {each.get('name')!s:<12} {schedule:<14} {each.get('command') or ''}".rstrip())
    for each in placement.get("instances") or []:
        why = f"  {each['why']}" if each.get("why") else ""
        times = each.get("restarts") or 0
        restarts = f", {times} restart{'' if times == 1 else 's'}" if times else ""
        output.say(
            f"    {each.get('label')!s:<10} {output.state(each.get('state'))} {ago(each.get('since'))}{restarts}{why}"
        )


@command("open", needs="service")
@click.option("--print", "only_print", is_flag=True, help="Only print the address.")
def open_(invocation: Invocation, only_print: bool) -> None:
    """Open the service in the browser; on a machine without one, print its address."""
    with invocation.client() as client:
        placement = client.get(invocation.target.placement_path)
    url = str(placement.get("url") or "")
    if not url:
        raise OperationFailed(
            "There is nothing to open",
            f"{invocation.target.service} has no address in {invocation.environment}: nothing listens there.",
            next_step=f"Deploy it: {invocation.push_command}",
        )
    invocation.output.document({"url": url})
    invocation.output.say(url)
    if not only_print and not invocation.output.json:
        open_browser(url)


def open_browser(url: str) -> bool:
    """Open `url` when a person with a browser is there; whether that was tried with success."""
    graphical = sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if not graphical or not sys.stdout.isatty():
        return False
    import webbrowser

    return webbrowser.open(url)


@command("logs", needs="service")
@click.option("-f", "--follow", is_flag=True, help="Keep printing what comes, until Ctrl-C.")
@click.option("-n", "--lines", default=100, show_default=True, type=click.IntRange(0), help="How many earlier lines.")
@click.option("--process", help="Only the instances of this process.", shell_complete=completed_by("process"))
def logs(invocation: Invocation, follow: bool, lines: int, process: str | None) -> None:
    """Show what the instances of the service print. With --json and -f: JSON Lines."""
    output = invocation.output
    path = f"{invocation.target.placement_path}/logs"
    with invocation.client() as client:
        if process:
            _require_process(invocation, client, process)
        if not follow:
            found = client.get(path, tail=lines, process=process)
            output.document(found)
            for line in found.get("items") or []:
                _say_log_line(invocation, line)
            return
        try:
            for event in client.stream(path, on_gap=_gap(invocation), params={"tail": lines, "process": process}):
                if event.kind == "line":
                    output.record(event.data)
                    _say_log_line(invocation, event.data)
        except KeyboardInterrupt as interrupt:
            raise Detached("You stopped following the logs; the service goes on.", next_step="highroad logs -f") from (
                interrupt
            )


def _require_process(invocation: Invocation, client: Client, process: str) -> None:
    """Nothing would come of a misspelt name, now or ever."""
    known = [str(each["name"]) for each in client.get(invocation.target.placement_path).get("processes") or []]
    if known and process.partition(".")[0] not in known:
        raise NoSuchProcess(
            f"There is no process {process} ({', '.join(known)}).", next_step=f"highroad logs --process {known[0]}"
        )


def _say_log_line(invocation: Invocation, line: Json) -> None:
    label = str(line.get("label") or line.get("instance") or "app")
    invocation.output.log_line(label, str(line.get("text", "")), at=str(line.get("at") or ""))


@command("events", needs="project")
@click.option("-f", "--follow", is_flag=True, help="Keep printing what happens, until Ctrl-C.")
@click.option("-n", "--lines", default=20, show_default=True, type=click.IntRange(1), help="How many earlier ones.")
@click.option("--type", "kind", help="Only events of this type.")
@click.option("--after", help="Only events after this cursor.")
@click.option("--all", "everything", is_flag=True, help="Events of all projects, not only this repository's.")
def events(
    invocation: Invocation, follow: bool, lines: int, kind: str | None, after: str | None, everything: bool
) -> None:
    """Show what happened, one sentence each; with --json as CloudEvents, and with -f too as JSON Lines."""
    project = None if everything else invocation.given_project
    with invocation.client() as client:
        if follow:
            _follow_events(invocation, client, project=project, type=kind, after=after, page_size=str(lines))
            return
        found = client.get("/events", project=project, type=kind, after=after, page_size=lines)
    invocation.output.document(found)
    for each in found.get("items") or []:
        _say_event(invocation, each)


def _follow_events(invocation: Invocation, client: Client, **wanted: str | None) -> None:
    try:
        for event in client.stream("/events", on_gap=_gap(invocation), params=wanted):
            if event.data.get("specversion"):
                invocation.output.record(event.data)
                _say_event(invocation, event.data)
    except KeyboardInterrupt as interrupt:
        raise Detached("You stopped following the events.", next_step="highroad events -f") from interrupt


def _say_event(invocation: Invocation, event: Json) -> None:
    output = invocation.output
    output.say(f"{output.paint(moment(str(event.get('time') or '')), 'dim')}  {sentence(event)}")


def _gap(invocation: Invocation) -> Callable[[str], None]:
    return lambda why: invocation.output.note(f"… {why} Taking it up again.")

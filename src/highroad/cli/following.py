"""Watching a run, a deployment or a command to its end, and saying how it ended.

Called by every command that starts something long. Ctrl-C only detaches: what was started goes on, and the message says
how to come back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from highroad.cli.failures import Detached, OperationFailed
from highroad.cli.invocation import Invocation
from highroad.cli.output import duration
from highroad.cli.progress import Progress
from highroad.client.problems import Json

if TYPE_CHECKING:
    from highroad.client.api import Client

_REMARK = " !  "  # how a log line begins that says what went wrong


def watch_run(invocation: Invocation, client: Client, run: Json) -> int:
    """Follow a run with its deployments; prints the live addresses.

    Raises `OperationFailed` when the run or any of its deployments did not succeed: nobody who waits for an exit code
    cares at which of the two it went wrong."""
    name = f"Run {run.get('number') or run['id']}"
    run = _to_end(invocation, client, f"/runs/{run['id']}/log", run, name=name)
    deployments = [client.get(f"/deployments/{each}") for each in run.get("deployments") or []]
    good = [each for each in deployments if each.get("state") == "succeeded"]
    waiting = [each for each in deployments if each.get("state") == "waiting"]
    bad = [each for each in deployments if each.get("state") not in ("succeeded", "waiting")]
    invocation.output.document({**run, "urls": [each["url"] for each in good if each.get("url")]})
    _require_success(run, name)
    for each in (*good, *waiting, *bad[1:]):
        say_outcome(invocation, each)
    if bad:
        _require_success(bad[0], _name(bad[0]), see=handle(invocation, bad[0]))
    if not deployments:
        invocation.output.say(f"{name} succeeded; no environment deploys this branch.")
    return 0


def watch_deployment(invocation: Invocation, client: Client, deployment: Json, *, document: bool = True) -> Json:
    """Follow a deployment; prints the live address, or raises `OperationFailed`. Returns the final deployment."""
    name = _name(deployment)
    final = _to_end(invocation, client, f"/deployments/{deployment['id']}/log", deployment, name=name)
    if document:
        invocation.output.document(final)
    if final.get("state") != "waiting":
        _require_success(final, name, see=handle(invocation, final))
    say_outcome(invocation, final)
    return final


def handle(invocation: Invocation, deployment: Json) -> str:
    """What `highroad show` and `cancel` call a deployment: `d9` where that is enough, else its id."""
    target = invocation.target_or_none
    here = target and (target.project, target.service, target.environment)
    there = tuple(deployment.get(key) for key in ("project", "service", "environment"))
    return f"d{deployment['number']}" if here == there and deployment.get("number") else str(deployment["id"])


def say_outcome(invocation: Invocation, deployment: Json) -> None:
    output = invocation.output
    name = _name(deployment)
    state = deployment.get("state")
    if state == "waiting":
        output.say(f"{name} waits.")
        say_waiting(invocation, deployment)
        return
    if state != "succeeded":
        output.say(f"{name}: {output.state(state)} {deployment.get('reason') or ''}".rstrip())
        return
    output.say(f"{output.paint('✔', 'green')} {name} succeeded.")
    if deployment.get("url") and deployment.get("kind") != "stop":
        output.say(f"Live at {output.paint(str(deployment['url']), 'bold')}")


def say_waiting(invocation: Invocation, deployment: Json) -> None:
    """What a deployment waits for, and what opens the way."""
    invocation.output.say(f"Why:   {deployment.get('reason')}")
    invocation.output.say(f"Next:  {deployment.get('next_step')}")


def watch_lines(
    invocation: Invocation, client: Client, path: str, *, name: str, come_back: str, show: Callable[[Json], None]
) -> Json:
    """Hand every `line` of a stream to `show`, and return the resource of its `end` (empty when there was none).

    Raises `Detached` on Ctrl-C; `come_back` is the command that takes it up again."""
    final: Json = {}
    progress = Progress(name, wanted=not invocation.output.json)
    try:
        with progress:
            for event in client.stream(path, on_gap=lambda why: _say_gap(invocation, progress, why)):
                if event.kind == "line":
                    with progress.hidden():
                        show(event.data)
                elif event.kind == "state":
                    progress.label = f"{name} · {_stage(event.data)}"
                elif event.kind == "end":
                    final = event.data
    except KeyboardInterrupt as interrupt:
        raise Detached(f"{name} goes on without you.", next_step=f"Come back with: {come_back}") from interrupt
    return final


def _to_end(invocation: Invocation, client: Client, path: str, resource: Json, *, name: str) -> Json:
    held: list[Json] = []

    def say(lines: list[Json]) -> None:
        for each in lines:
            invocation.output.log_line(str(each.get("task") or "highroad"), str(each.get("text", "")))

    def show(line: Json) -> None:
        # How it ended stands at the end of the log, too; it is not said twice.
        if str(line.get("text", "")).startswith(_REMARK):
            held.append(line)
        else:
            say([*held, line])
            held.clear()

    seen = handle(invocation, resource) if path.startswith("/deployments/") else str(resource["id"])
    come_back = f"highroad show {seen} --follow"
    final = watch_lines(invocation, client, path, name=name, come_back=come_back, show=show)
    final = final or client.get(path.removesuffix("/log"))
    endings = [str(each.get(key) or "") for each in (final, *_deployed(final)) for key in ("reason", "next_step")]
    say([each for each in held if not any(text and text in str(each["text"]) for text in endings)])
    return final


def _deployed(run: Json) -> list[Json]:
    found = run.get("deployed")
    return found if isinstance(found, list) else []


def _say_gap(invocation: Invocation, progress: Progress, why: str) -> None:
    with progress.hidden():
        invocation.output.note(f"… {why} Taking it up again.")


def _stage(resource: Json) -> str:
    tasks = resource.get("tasks") or resource.get("steps") or []
    running = [str(task.get("name")) for task in tasks if task.get("state") == "running"]
    return ", ".join(running) or str(resource.get("step") or resource.get("state") or "")


def _name(deployment: Json) -> str:
    number = deployment.get("number") or deployment["id"]
    kind = {"deploy": "Deployment", "stop": "Stop", "start": "Start", "scale": "Scaling"}
    word = kind.get(str(deployment.get("kind")), str(deployment.get("kind") or "deployment").capitalize())
    return f"{word} {number} to {deployment.get('environment', '?')}" if word == "Deployment" else f"{word} {number}"


def _require_success(resource: Json, name: str, *, see: str = "") -> None:
    state = str(resource.get("state"))
    if state == "succeeded":
        return
    raise OperationFailed(
        f"{name} {state if state in ('failed', 'superseded', 'expired') else 'was ' + state}",
        str(resource.get("reason") or "No reason was recorded."),
        next_step=str(resource.get("next_step") or f"See what it did: highroad show {see or resource['id']} --log"),
    )


def say_tasks(invocation: Invocation, resource: Json) -> None:
    """The tasks of a run or the steps of a deployment, with their durations."""
    for task in resource.get("tasks") or resource.get("steps") or []:
        state = invocation.output.state(task.get("state"))
        invocation.output.say(f"  {task.get('name')!s:<24} {state}  {duration(task.get('seconds'))}".rstrip())

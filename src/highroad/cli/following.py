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


def watch_run(invocation: Invocation, client: Client, run: Json) -> int:
    """Follow a run with its deployments; prints the live addresses, or raises `OperationFailed`."""
    name = f"Run {run.get('number') or run['id']}"
    run = _to_end(invocation, client, f"/runs/{run['id']}/log", run, name=name)
    deployments = [client.get(f"/deployments/{each}") for each in run.get("deployments") or []]
    invocation.output.document({**run, "urls": [each["url"] for each in deployments if each.get("url")]})
    _require_success(run, name)
    for each in deployments:
        say_outcome(invocation, each)
    if not deployments:
        invocation.output.say(f"{name} succeeded; no environment deploys this branch.")
    return 0


def watch_deployment(invocation: Invocation, client: Client, deployment: Json, *, document: bool = True) -> Json:
    """Follow a deployment; prints the live address, or raises `OperationFailed`. Returns the final deployment."""
    name = _name(deployment)
    final = _to_end(invocation, client, f"/deployments/{deployment['id']}/log", deployment, name=name)
    if document:
        invocation.output.document(final)
    _require_success(final, name)
    say_outcome(invocation, final)
    return final


def say_outcome(invocation: Invocation, deployment: Json) -> None:
    output = invocation.output
    name = _name(deployment)
    state = deployment.get("state")
    if state != "succeeded":
        output.say(f"{name}: {output.state(state)} {deployment.get('reason') or ''}".rstrip())
        return
    output.say(f"{output.paint('✔', 'green')} {name} succeeded.")
    if deployment.get("url") and deployment.get("kind") != "stop":
        output.say(f"Live at {output.paint(str(deployment['url']), 'bold')}")


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
    def show(line: Json) -> None:
        invocation.output.log_line(str(line.get("task") or "highroad"), str(line.get("text", "")))

    come_back = f"highroad show {resource['id']} --follow"
    final = watch_lines(invocation, client, path, name=name, come_back=come_back, show=show)
    return final or client.get(path.removesuffix("/log"))


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


def _require_success(resource: Json, name: str) -> None:
    state = str(resource.get("state"))
    if state == "succeeded":
        return
    raise OperationFailed(
        f"{name} {state if state in ('failed', 'superseded') else 'was ' + state}",
        str(resource.get("reason") or "No reason was recorded."),
        next_step=str(resource.get("next_step") or f"See what it did: highroad show {resource['id']} --log"),
    )


def say_tasks(invocation: Invocation, resource: Json) -> None:
    """The tasks of a run or the steps of a deployment, with their durations."""
    for task in resource.get("tasks") or resource.get("steps") or []:
        state = invocation.output.state(task.get("state"))
        invocation.output.say(f"  {task.get('name')!s:<24} {state}  {duration(task.get('seconds'))}".rstrip())

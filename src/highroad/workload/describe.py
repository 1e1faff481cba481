"""Says in lines for people what was detected and why. `highroad init` and `highroad plan` print them."""

from __future__ import annotations

from highroad.workload.model import Limits, Process, Workload
from highroad.workload.overlay import health_text
from highroad.workload.quantities import memory_text


def describe(workload: Workload) -> list[str]:
    """What runs, how it is built and tested; one fact a line, no line breaks inside."""
    lines = [_flat(f"build    {_build(workload)}")]
    lines += [_flat(f"build    $ {command}") for command in workload.build.commands]
    if workload.test is not None:
        lines.append(_flat(f"test     {workload.test.command}" + ("" if workload.test.required else "  (may fail)")))
    if workload.release_command is not None:
        lines.append(_flat(f"release  {workload.release_command}"))
    if workload.static:
        lines.append(f"serve    {workload.build.publish}")
    lines += [_flat(f"run      {_process(process)}") for process in workload.processes]
    lines += [f"needs    {each.type} as {each.name}" for each in workload.resources]
    if workload.image is not None:
        lines.append(_flat(f"image    {workload.image}  (needs a container target)"))
    lines += [_flat(f"Warning: {warning}") for warning in workload.warnings]
    return lines


def explain(workload: Workload) -> list[str]:
    """Every decision and what it rests on: `web: `python app.py`  <- Procfile:1`."""
    width = min(max((len(reason.what) for reason in workload.reasons), default=0), 60)
    return [_flat(f"{reason.what:<{width}}  <- {reason.because}") for reason in workload.reasons]


def _build(workload: Workload) -> str:
    build = workload.build
    if workload.image is not None and all(process.image is not None for process in workload.processes):
        return "nothing; the images are taken as they are"
    version = f" {build.version}" if build.version else ""
    manager = f", dependencies by {build.manager}" if build.manager != "none" else ""
    lock = f" from {build.lock_file}" if build.lock_file else ""
    return f"{build.language}{version}{manager}{lock}"


def _process(process: Process) -> str:
    facts = []
    if process.http:
        facts.append(f"healthy by {health_text(process.health)}")
    if process.schedule:
        facts.append(f"at {process.schedule} UTC")
    elif process.count != 1:
        facts.append(f"{process.count} instances")
    facts += _limits(process.limits)
    shown = f"  ({'; '.join(facts)})" if facts else ""
    return f"{process.name}: {process.command or process.image}{shown}"


def _limits(limits: Limits) -> list[str]:
    amounts = {"memory": limits.memory, "disk": limits.disk}
    texts = [f"{name} {memory_text(amount)}" for name, amount in amounts.items() if amount is not None]
    texts += [f"{limits.cpu:g} cores"] if limits.cpu is not None else []
    return texts + ([f"{limits.processes} processes"] if limits.processes is not None else [])


def _flat(line: str) -> str:
    """A command of several lines must not be able to draw lines of its own, nor to send control codes to a terminal."""
    return "".join(each if each.isprintable() else " " for each in line).rstrip()

"""Lays `highroad.yaml` over what was detected: what it says wins, what it leaves out stays. Pure; `detect` calls it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from highroad.errors import FieldError
from highroad.workload.config import BadConfig, Config, ProcessConfig, TestConfig
from highroad.workload.model import Build, Health, Limits, Process, Reason, Test, Workload
from highroad.workload.testing import JUNIT, with_junit


def overlay(workload: Workload, config: Config) -> Workload:
    """Raises `BadConfig` when a process has no command from either side."""
    reasons: list[Reason] = []
    processes = _processes(workload, config, reasons)
    if config.variables:
        reasons.append(Reason(f"variables {', '.join(config.variables)}", config.where("variables")))
    if config.paths:
        reasons.append(Reason(f"concerned by changes in {', '.join(config.paths)}", config.where("paths")))
    return replace(
        workload,
        processes=processes,
        build=_build(workload.build, config, reasons),
        test=_test(workload.test, config, reasons),
        release_command=_release(workload.release_command, config, reasons),
        variables={**workload.variables, **config.variables},
        paths=config.paths or workload.paths,
        reasons=(*workload.reasons, *reasons),
    )


def _processes(workload: Workload, config: Config, reasons: list[Reason]) -> tuple[Process, ...]:
    merged = {process.name: process for process in workload.processes}
    for name, said in config.processes.items():
        where = config.where(f"processes.{name}")
        merged[name] = _process(name, said, merged.get(name), where)
        kind = "changed" if any(process.name == name for process in workload.processes) else "added"
        schedule = f", runs on the schedule {said.schedule!r}" if said.schedule else ""
        reasons.append(Reason(f"process {name} {kind}{schedule}", where))
    for name, process in merged.items():
        merged[name] = replace(process, limits=_over(config.limits, process.limits, said=config.processes.get(name)))
    if config.health is not None:
        listening = replace(workload, processes=tuple(merged.values())).http
        said_itself = listening and listening.name in config.processes and config.processes[listening.name].health
        if listening is not None and not said_itself:
            merged[listening.name] = replace(listening, health=config.health)
            reasons.append(Reason(f"health of {listening.name}: {health_text(config.health)}", config.where("health")))
    return tuple(merged.values())


def _process(name: str, said: ProcessConfig, found: Process | None, where: str) -> Process:
    command = said.command or (found.command if found else "")
    image = found.image if found else None
    if not command and image is None:
        detail = f"processes.{name}: needs a command, since no process of this name was detected"
        raise BadConfig(
            f"{where}: {detail}",
            next_step=f"Add 'command: ...' to the process {name!r} in {where.split(':')[0]}.",
            errors=[FieldError(where, detail)],
        )
    http = said.http if said.http is not None else (found.http if found else name == "web")
    http = http and not said.schedule
    # A check that was meant for a listener must not hold up a process that does not listen, nor the other way round.
    same_kind = found is not None and found.http == http
    health = found.health if found and same_kind else Health(kind="tcp" if http else "none")
    base = found or Process(name=name, command=command)
    return replace(
        base,
        command=command,
        http=http,
        schedule=said.schedule or base.schedule,
        count=said.count if said.count is not None else base.count,
        health=said.health or health,
        limits=_merge(said.limits, base.limits),
        variables={**base.variables, **said.variables},
        drain=float(said.drain) if said.drain is not None else base.drain,
        stop_grace=float(said.stop_grace) if said.stop_grace is not None else base.stop_grace,
    )


def _over(general: Limits, found: Limits, *, said: ProcessConfig | None) -> Limits:
    """The process's own limits in highroad.yaml, else the general ones there, else what was detected."""
    return _merge(said.limits if said else Limits(), _merge(general, found))


def _merge(first: Limits, second: Limits) -> Limits:
    return Limits(
        memory=first.memory if first.memory is not None else second.memory,
        cpu=first.cpu if first.cpu is not None else second.cpu,
        processes=first.processes if first.processes is not None else second.processes,
        disk=first.disk if first.disk is not None else second.disk,
    )


def _build(build: Build, config: Config, reasons: list[Reason]) -> Build:
    said: Mapping[str, object] = {
        "version": config.version,
        "commands": config.commands,
        "publish": config.publish,
    }
    given = {name: value for name, value in said.items() if value is not None}
    for name, value in given.items():
        shown = "; ".join(value) or "none" if isinstance(value, tuple) else value
        reasons.append(Reason(f"build {name}: {shown}", config.where(f"build.{name}")))
    return replace(build, **given)  # type: ignore[arg-type]  # the schema gave each its type


def _test(found: Test | None, config: Config, reasons: list[Reason]) -> Test | None:
    if config.test is None:
        return found
    where = config.where("test")
    if not isinstance(config.test, TestConfig):
        reasons.append(Reason("no tests", where))
        return None
    said = config.test
    if said.command is not None:
        command, junit = (said.command, said.junit) if said.junit else with_junit(said.command)
        test = Test(command=command, junit=junit, needs=found.needs if found else ())
    elif found is not None:
        test = replace(found, junit=said.junit or found.junit)
    else:
        raise BadConfig(
            f"{where}: test: needs a command, since no tests were detected",
            next_step=f"Add 'command: ...' below 'test:' in {config.file}.",
            errors=[FieldError(where, "test: needs a command")],
        )
    test = replace(test, required=said.required if said.required is not None else True)
    reasons.append(Reason(f"tests by `{test.command}`" + ("" if test.required else ", which may fail"), where))
    return test


def _release(found: str | None, config: Config, reasons: list[Reason]) -> str | None:
    if config.release is None:
        return found
    command = config.release if isinstance(config.release, str) else None
    reasons.append(Reason(f"release command `{command}`" if command else "no release command", config.where("release")))
    return command


def health_text(health: Health) -> str:
    """`GET /healthz`, `connecting to $PORT`, `running`, or the command."""
    if health.kind == "http":
        return f"GET {health.path}"
    texts = {"tcp": "connecting to $PORT", "none": "running", "command": f"`{health.command}`"}
    return texts[health.kind]


__all__ = ["JUNIT", "health_text", "overlay"]

"""From what serves now and what is wanted to what a deployment will do. Pure: no clock, no database, no driver.

`plan_deployment` is what `highroad plan`, the API, the portal and the executor all see.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from highroad.deployments.model import Change, Instance, Kind, Plan, PlannedInstance, Problem
from highroad.drivers.contract import Abilities
from highroad.kit.disguises import mask_of
from highroad.pipelines.model import Release
from highroad.projects.references import Delivered
from highroad.workload.model import Limits, Process, Workload
from highroad.workload.schema import did_you_mean

MOST_INSTANCES = 100
_MIB = 1024**2
_SITE = "of the site are served as they are; nothing runs"


@dataclass(frozen=True, slots=True)
class Now:
    """What serves at present: its release (None: nothing yet), its configuration, its instances and host names."""

    release: Release | None
    configuration: Delivered
    instances: tuple[Instance, ...]
    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked for. `workload` and `title` describe the release; `publish` is the
    directory of a static site; `counts` are wanted instances by process."""

    kind: Kind
    title: str
    workload: Workload
    publish: str | None
    configuration: Delivered
    counts: Mapping[str, int]
    hosts: tuple[str, ...]


def plan_deployment(now: Now, wanted: Wanted, abilities: Abilities, largest: Limits) -> Plan:
    """The plan; with `problems` it must not be carried out. `largest` is what one instance may ask for at most (None:
    whatever it likes). Its words show no secret, should the repository hold one that is configured, too."""
    plan = _plan(now, wanted, abilities, largest)
    kept = [each for each in (now.configuration, wanted.configuration) if isinstance(each, Delivered)]
    mask = mask_of(tuple(sorted({value for each in kept for value in each.secret_values})))
    if not mask:
        return plan
    return dataclasses.replace(
        plan,
        changes=tuple(dataclasses.replace(each, detail=mask.text(each.detail)) for each in plan.changes),
        warnings=tuple(map(mask.text, plan.warnings)),
        problems=tuple(Problem(mask.text(each.detail), mask.text(each.next_step)) for each in plan.problems),
    )


def _plan(now: Now, wanted: Wanted, abilities: Abilities, largest: Limits) -> Plan:
    if wanted.kind == "stop":
        return _stop(now)
    workload = wanted.workload
    problems = [*_problems(wanted, abilities), *_excesses(workload, largest), *_cut_off(now, wanted)]
    replace = wanted.kind != "scale"
    start: list[PlannedInstance] = []
    keep: list[str] = []
    stop: list[str] = []
    changes: list[Change] = []
    standing = [process for process in workload.processes if process.schedule is None]
    for process in standing:
        count = wanted.counts.get(process.name, process.count)
        present = [each for each in now.instances if each.process == process.name]
        kept = [] if replace else present[:count]
        keep += [each.id for each in kept]
        taken = {each.index for each in kept}
        free = (index for index in range(1, count + len(present) + 1) if index not in taken)
        fresh = [PlannedInstance(process.name, next(free)) for _ in range(count - len(kept))]
        start += fresh
        changes += _instance_changes(process, count, len(present), len(kept), len(fresh))
    stop = [each.id for each in now.instances if each.id not in keep]
    names = {process.name for process in standing}
    gone = sorted({each.process for each in now.instances} - names)
    changes += [Change("stop", name, "no longer part of the workload") for name in gone]
    changes = [*_release_changes(now, wanted), *changes, *_configuration_changes(now, wanted)]
    changes += [
        Change("start", process.name, f"runs on schedule {process.schedule} (UTC): {process.command}")
        for process in workload.processes
        if process.schedule is not None
    ]
    directory = wanted.publish if workload.static else None
    if directory is not None:
        changes.append(Change("keep" if wanted.kind not in {"deploy", "rollback"} else "start", "files", _SITE))
    hosts = wanted.hosts if _answers(wanted) else ()
    changes += _route_changes(now, hosts)
    changes += [Change("resource", each.name, f"{each.type}: needs a provisioner") for each in workload.resources]
    command = workload.release_command if wanted.kind in {"deploy", "configure"} else None
    return Plan(
        summary=_summary(wanted, start, keep, stop),
        changes=tuple(changes),
        warnings=(*_unheard(now, wanted), *abilities.warnings),
        problems=tuple(problems),
        release_command=command,
        start=tuple(start),
        keep=tuple(keep),
        stop=tuple(stop),
        hosts=hosts,
        directory=directory,
    )


def _stop(now: Now) -> Plan:
    counts: dict[str, int] = {}
    for instance in now.instances:
        counts[instance.process] = counts.get(instance.process, 0) + 1
    changes = [Change("stop", name, _instances(count)) for name, count in counts.items()]
    changes += [Change("route", host, "answers 503: stopped") for host in now.hosts]
    return Plan(
        summary="Stop: nothing will run; the release and the configuration are kept.",
        changes=tuple(changes),
        stop=tuple(each.id for each in now.instances),
        hosts=now.hosts,
    )


def _problems(wanted: Wanted, abilities: Abilities) -> list[Problem]:
    workload, problems = wanted.workload, []
    foreign = workload.image or next((each.image for each in workload.processes if each.image), None)
    if foreign is not None and not abilities.images:
        problems.append(
            Problem(
                f"The workload runs the image {foreign}, and the target {abilities.name!r} runs processes only.",
                "Use a container target for this environment, or `image: .` to build from the source.",
            )
        )
    problems += [
        Problem(
            f"The resource {each.name} of type {each.type} has no provisioner here.",
            "Pass what it would give as configuration (highroad config set) and remove it from score.yaml.",
        )
        for each in workload.resources
    ]
    problems += wrong_counts(workload, wanted.counts, asked=wanted.kind == "scale")
    if not workload.processes and wanted.publish is None and workload.image is None:
        problems.append(Problem("The workload has nothing to run.", "Add a Procfile, or `processes` to highroad.yaml."))
    return problems


def counts_with(kept: Mapping[str, int], asked: Mapping[str, int], workload: Workload) -> dict[str, int]:
    """Numbers of instances: those asked for, over those kept for processes that the workload still has."""
    known = {process.name for process in workload.processes}
    return {**{name: count for name, count in kept.items() if name in known}, **asked}


def wrong_counts(workload: Workload, counts: Mapping[str, int], *, asked: bool) -> list[Problem]:
    """What is wrong with numbers of instances by process. `asked`: somebody just wrote them, so names count, too."""
    problems = []
    known = {process.name: process for process in workload.processes}
    for name in counts if asked else ():
        process = known.get(name)
        if process is None:
            names = ", ".join(sorted(known)) or "none"
            near = did_you_mean(name, list(known))
            problems.append(
                Problem(f"There is no process {name[:80]!r} (there are: {names}){near or '.'}", "highroad status")
            )
        elif process.schedule is not None:
            problems.append(Problem(f"{name} runs on a schedule and has no instances to scale.", "highroad status"))
    total = sum(counts.get(each.name, each.count) for each in workload.processes)
    negative = next((f"{count} instances of {name[:80]}" for name, count in counts.items() if count < 0), None)
    if total > MOST_INSTANCES or negative:
        wanted = negative or f"{total} instances altogether"
        problems.append(
            Problem(f"{wanted} cannot be had.", f"Choose 0 to {MOST_INSTANCES}, over all processes of the service.")
        )
    return problems


def _answers(wanted: Wanted) -> bool:
    """Whether requests lead anywhere afterwards: to a listening process, or to the files of a static site."""
    return wanted.workload.http is not None or (wanted.workload.static and wanted.publish is not None)


def _cut_off(now: Now, wanted: Wanted) -> list[Problem]:
    """A push that takes the only thing away that answers was hardly meant: `wbe:` for `web:` in a Procfile."""
    if wanted.kind != "deploy" or not now.hosts or _answers(wanted):
        return []
    near = _near_web(wanted.workload)
    mend = f"Rename {near!r} to 'web'" if near else "Name the process that listens 'web', or give it `http: true`"
    return [
        Problem(
            f"{_nothing_listens(wanted)} {now.hosts[0]} is served now and would be taken offline.",
            f"{mend}, and push again. If it is meant: highroad stop, then highroad deploy.",
        )
    ]


def _unheard(now: Now, wanted: Wanted) -> list[str]:
    """Nothing will answer, which a service of workers wants; it is told when it is new."""
    known = now.release is not None and now.release.workload.http is None and not now.release.workload.static
    near = _near_web(wanted.workload)
    if wanted.kind not in {"deploy", "rollback"} or _answers(wanted) or not wanted.hosts or (known and not near):
        return []
    meant = f" Did you mean `web` instead of `{near}`?" if near else ""
    return [f"{_nothing_listens(wanted)} Nothing answers at {wanted.hosts[0]}.{meant}"]


def _nothing_listens(wanted: Wanted) -> str:
    named = any(process.name == "web" for process in wanted.workload.processes)
    return "No process listens." if named else "There is no process named `web`."


def _near_web(workload: Workload) -> str:
    """The name of a process that looks like a mistyped `web`."""
    standing = [process.name for process in workload.processes if process.schedule is None]
    return next((name for name in standing if name != "web" and did_you_mean(name, ["web"])), "")


def _excesses(workload: Workload, largest: Limits) -> list[Problem]:
    """Limits above what this installation grants, each with the setting that says so."""
    problems = []
    for process in workload.processes:
        asked = process.limits
        for name, unit, wish, most in (
            ("memory", " MiB", _in_mib(asked.memory), _in_mib(largest.memory)),
            ("disk", " MiB", _in_mib(asked.disk), _in_mib(largest.disk)),
            ("processes", "", asked.processes, largest.processes),
            ("cpu", " cores", asked.cpu, largest.cpu),
        ):
            if wish is not None and most is not None and not wish <= most:  # NaN is more than any
                asks = f"{process.name} asks for {wish:.10g}{unit} ({name})"
                detail = f"{asks}; an instance gets {most:.10g}{unit} at most."
                step = f"Lower the limit, or have the operator raise the setting largest_{name}."
                problems.append(Problem(detail, step))
    return problems


def _in_mib(size: int | None) -> float | None:
    return None if size is None else size / _MIB


def _release_changes(now: Now, wanted: Wanted) -> list[Change]:
    if wanted.kind in {"restart", "scale", "configure"}:
        return []
    before = f"{_title(now.release)} -> " if now.release else ""
    changes = [Change("build", "release", f"{before}{wanted.title}")]
    if wanted.workload.release_command and wanted.kind == "deploy":
        changes.append(Change("command", "release command", wanted.workload.release_command))
    return changes


def _instance_changes(process: Process, count: int, present: int, kept: int, fresh: int) -> list[Change]:
    changes = []
    if kept:
        changes.append(Change("keep", process.name, _instances(kept)))
    if fresh:
        changes.append(Change("start", process.name, f"{_instances(fresh)}: {process.command}"))
    if present > kept:
        changes.append(Change("stop", process.name, f"{_instances(present - kept)} of before"))
    if not count and not present:
        changes.append(Change("keep", process.name, "scaled to 0"))
    return changes


def _configuration_changes(now: Now, wanted: Wanted) -> list[Change]:
    before, after = now.configuration, wanted.configuration
    changes = [Change("configure", name, "set") for name in after if name not in before]
    changes += [
        Change("configure", name, "changed") for name in after if name in before and before.differs(after, name)
    ]
    changes += [
        Change("configure", name, "unset") for name in before if name not in after and name not in after.unknown
    ]
    elsewhere = "read from its store when it is deployed"
    changes += [Change("configure", name, elsewhere) for name in after.unknown]
    return sorted(changes, key=lambda each: each.subject)


def _route_changes(now: Now, hosts: tuple[str, ...]) -> list[Change]:
    changes = [Change("route", host, "added") for host in hosts if host not in now.hosts]
    return changes + [Change("route", host, "removed") for host in now.hosts if host not in hosts]


def _summary(wanted: Wanted, start: list[PlannedInstance], keep: list[str], stop: list[str]) -> str:
    verb = {"deploy": "Deploy", "rollback": "Roll back to", "restart": "Restart", "start": "Start", "scale": "Scale"}
    if wanted.workload.static and not (start or keep or stop):
        return f"{verb.get(wanted.kind, 'Configure')} {wanted.title}: serve files"
    parts = [f"start {len(start)}"] if start else []
    parts += [f"keep {len(keep)}"] if keep else []
    parts += [f"stop {len(stop)}"] if stop else []
    return f"{verb.get(wanted.kind, 'Configure')} {wanted.title}: {', '.join(parts) or 'no instances'}"


def _title(release: Release) -> str:
    return f"release {release.number} ({release.commit[:7]})"


def _instances(count: int) -> str:
    return "1 instance" if count == 1 else f"{count} instances"

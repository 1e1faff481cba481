"""Decides what a source is and how it runs: `score.yaml`, else `Procfile`, else the language; `highroad.yaml` on top.

`pipelines` calls `detect` on every checkout, `highroad init` and `highroad plan` show what it decided and why. It reads
the tree and nothing else: no clock, no network, and nothing of the source is ever run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from highroad.errors import Invalid
from highroad.workload import config as highroad_yaml
from highroad.workload import procfile, score
from highroad.workload.config import Config
from highroad.workload.languages import go, node, python, ruby, static
from highroad.workload.languages.found import Found
from highroad.workload.languages.started_by import language_of
from highroad.workload.model import Build, Language, Process, Reason, Workload
from highroad.workload.overlay import overlay
from highroad.workload.procfile import Procfile
from highroad.workload.source import Source

Recogniser = Callable[[Source, Mapping[str, str]], Found | None]

# In this order: an index.html beside a program is a part of it, so static comes late.
LANGUAGES: tuple[tuple[Language, Recogniser], ...] = (
    ("go", go.recognise),
    ("ruby", ruby.recognise),
    ("python", python.recognise),
    ("node", node.recognise),
    ("static", static.recognise),
    ("python", python.recognise_files),
)
_LOOKED_FOR: tuple[str, ...] = (
    *score.FILES[:1],
    procfile.FILE,
    *python.LOOKED_FOR,
    *node.LOOKED_FOR,
    *static.LOOKED_FOR,
)
_LOOKED_FOR += (*go.LOOKED_FOR, *ruby.LOOKED_FOR)
_CONTAINER_FILES = (
    "Dockerfile",
    "Containerfile",
    "compose.yaml",
    "compose.yml",
    "docker-compose.yml",
    "docker-compose.yaml",
)
_UNBUILT = {
    "Cargo.toml": "Rust",
    "pom.xml": "Java",
    "build.gradle": "Java",
    "build.gradle.kts": "Kotlin",
    "composer.json": "PHP",
    "index.php": "PHP",
    "mix.exs": "Elixir",
    "deno.json": "Deno",
    "gleam.toml": "Gleam",
    "CMakeLists.txt": "C++",
}


class NothingRecognised(Invalid):
    code = "nothing-recognised"
    title = "Highroad does not recognise what this source is"


class NoStartCommand(Invalid):
    code = "no-start-command"
    title = "Highroad cannot tell how this starts"


class ContainerTargetNeeded(Invalid):
    code = "container-target-needed"
    title = "This source needs a container target"


class LanguageMissing(Invalid):
    code = "language-missing"
    title = "This machine cannot build the language"


def detect(source: Source, toolchains: Mapping[str, str]) -> Workload:
    """What `source` runs, with a reason for every decision.

    `toolchains` gives the version of every tool on the machine that builds (`node`, `npm`, `go`, `ruby`, `bundle`...).
    Raises `NothingRecognised`, `NoStartCommand`, `ContainerTargetNeeded`, `LanguageMissing`, and what readers raise:
    `BadScore`, `BadProcfile`, `BadConfig`, `BadYaml`, `BadProjectFile` and the errors of `Source`.
    """
    config = highroad_yaml.read(source)
    score_file = source.first(*score.FILES)
    scored = score.read(source, score_file) if score_file else None
    lines = procfile.read(source)
    found = (
        None if scored and _all_foreign(scored) else _language(source, toolchains, config, _said(scored, lines, config))
    )
    workload = _base(scored, lines, found)
    if config is not None:
        workload = overlay(workload, config)
    _require_tools(found, toolchains)
    _require_processes(workload, source, found, config)
    return replace(workload, warnings=_warnings(workload, found, config))


def _said(scored: Workload | None, lines: Procfile | None, config: Config | None) -> dict[str, str]:
    """Commands that the source names itself and where each stands, that of `web` first."""
    said: list[tuple[str, str, str]] = []
    if config is not None:
        said += [
            (name, each.command, config.where(f"processes.{name}"))
            for name, each in config.processes.items()
            if each.command
        ]
    said += [(each.name, each.command, "score.yaml") for each in (scored.processes if scored else ()) if each.command]
    if lines is not None:
        said += [(each.name, each.command, f"{procfile.FILE}:{lines.lines[each.name]}") for each in lines.processes]
    return {command: where for _, command, where in sorted(said, key=lambda each: each[0] != "web")}


def _language(
    source: Source, toolchains: Mapping[str, str], config: Config | None, said: Mapping[str, str]
) -> Found | None:
    asked = config.language if config else None
    if asked == "other":
        return None
    # What starts the first process must be there: files of another language beside it do not change that.
    first: Language | None = asked or next((language_of(command) for command in said), None)
    recognised = (
        found
        for only in ((first, None) if asked is None else (asked,))
        for name, recognise in LANGUAGES
        if only in (None, name) and (found := recognise(source, toolchains))
    )
    found = next(recognised, None)
    if asked is None and (found is None or found.build.language == "static"):
        started = _started(source, said)
        publish = found.build.publish if found else None
        return replace(started, build=replace(started.build, publish=publish)) if started else found
    if found is None and asked is not None and config is not None:
        # A language that is asked for without any of its files still names what the build needs.
        return Found(build=Build(language=asked), reasons=(Reason(asked.capitalize(), config.where("build.language")),))
    return found


def _started(source: Source, said: Mapping[str, str]) -> Found | None:
    """The language that a command needs, where no file of the source tells."""
    for command, where in said.items():
        language = language_of(command)
        if language == "python":
            return python.recognise_started(source, where)
        if language is not None:
            reason = Reason(language.capitalize(), where)
            return Found(build=Build(language=language), reasons=(reason,), tools=(language,))
    return None


def _warnings(workload: Workload, found: Found | None, config: Config | None) -> tuple[str, ...]:
    untested = (
        found is not None and found.untested and workload.test is None and (config is None or config.test is None)
    )
    told = (f"No tests are run: {found.untested}.",) if found is not None and untested else ()
    return (*(found.warnings if found else ()), *told)


def _base(scored: Workload | None, lines: Procfile | None, found: Found | None) -> Workload:
    """The workload before highroad.yaml: who names the processes, from the strongest source to the weakest."""
    language = found or Found(build=Build())
    workload = scored or Workload(processes=())
    workload = replace(workload, build=language.build, test=language.test)
    reasons = list(workload.reasons)
    if scored is not None:
        processes = _with_commands(scored, lines, language, reasons)
    elif lines is not None and lines.processes:
        processes = lines.processes
        reasons += [
            Reason(f"{each.name}: `{each.command}`", f"{procfile.FILE}:{lines.lines[each.name]}")
            for each in lines.processes
        ]
    else:
        processes = language.processes
    if lines is not None and lines.release is not None:
        workload = replace(workload, release_command=lines.release)
        reasons.append(Reason(f"release command `{lines.release}`", f"{procfile.FILE}:{lines.lines['release']}"))
    named_elsewhere = {each.command for each in language.processes} if processes is not language.processes else set()
    told = [
        reason for reason in language.reasons if not any(f"`{command}`" in reason.what for command in named_elsewhere)
    ]
    return replace(workload, processes=processes, reasons=(*reasons, *told))


def _with_commands(
    scored: Workload, lines: Procfile | None, language: Found, reasons: list[Reason]
) -> tuple[Process, ...]:
    """Score's processes; a container built from the source that names no command gets it from the Procfile's process of
    its name, else from the language."""
    listed = {each.name: each.command for each in lines.processes} if lines else {}
    filled = []
    for process in scored.processes:
        if process.command or process.image is not None:
            filled.append(process)
            continue
        # One that listens takes the web command, one that does not may take a worker's.
        from_language = next((each.command for each in language.processes if each.http == process.http), "")
        command = listed.get(process.name) or (listed.get("web") if process.http else None) or from_language
        if command:
            because = (
                procfile.FILE
                if command in listed.values()
                else f"{language.build.language}; score.yaml names no command"
            )
            reasons.append(Reason(f"{process.name}: `{command}`", because))
        filled.append(replace(process, command=command))
    return tuple(filled)


def _all_foreign(scored: Workload) -> bool:
    return all(process.image is not None for process in scored.processes)


def _require_tools(found: Found | None, toolchains: Mapping[str, str]) -> None:
    missing = [tool for tool in found.tools if tool not in toolchains] if found else []
    if found and missing:
        language = found.build.language.capitalize()
        raise LanguageMissing(
            f"This is a {language} project, but the machine that builds it has no {' and no '.join(missing)}.",
            next_step=f"Install {' and '.join(missing)} on the machine that runs Highroad, then push again.",
            extra={"missing": missing},
        )


def _require_processes(workload: Workload, source: Source, found: Found | None, config: Config | None) -> None:
    silent = next((each for each in workload.processes if not each.command and each.image is None), None)
    serves_files = workload.build.publish is not None
    if silent is None and (workload.processes or serves_files):
        return
    lacking = found.lacking if found and found.lacking else ""
    if silent is not None:
        detail = f"The container {silent.name!r} of score.yaml names no command" + (
            f", and {lacking}" if lacking else ""
        )
        raise NoStartCommand(f"{detail}.", next_step=f"Add 'command' to the container {silent.name!r}.")
    if found is not None:
        raise NoStartCommand(
            f"{lacking}." if lacking else f"Nothing says how this {found.build.language} project starts.",
            next_step=found.advice or "Add a Procfile with a line such as 'web: ./server'.",
        )
    _refuse_unknown(source, config)


def _refuse_unknown(source: Source, config: Config | None) -> None:
    container_file = source.first(*_CONTAINER_FILES)
    if container_file is not None:
        raise ContainerTargetNeeded(
            f"Only {container_file} says how to build this, and the process target does not build container images.",
            next_step="Bind the environment to a container target, or add a Procfile so that it can run without one.",
        )
    unbuilt = source.first(*_UNBUILT)
    if unbuilt is not None:
        raise NothingRecognised(
            f"This is a {_UNBUILT[unbuilt]} project ({unbuilt}), which Highroad does not build by itself.",
            next_step="Add a Procfile that starts it, and build.commands in highroad.yaml that build it.",
        )
    names = source.names()
    seen = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "") if names else "nothing"
    also = f" {config.file} is there, but names no processes." if config else ""
    raise NothingRecognised(
        f"None of {', '.join(_LOOKED_FOR)} is here; the directory holds {seen}.{also}",
        next_step="Add a Procfile with a line such as 'web: ./server', or set the service's path to the project.",
        extra={"looked_for": list(_LOOKED_FOR)},
    )

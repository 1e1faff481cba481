"""Recognises a Node project by its package.json: lock file, build, start, tests, and workspaces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from highroad.workload.languages.found import Found, read_json, table, texts, web, worker
from highroad.workload.model import Build, Process, Reason, Test
from highroad.workload.source import Source
from highroad.workload.testing import JUNIT

LOOKED_FOR = ("package.json",)
_LOCKS = {"package-lock.json": "npm", "npm-shrinkwrap.json": "npm", "pnpm-lock.yaml": "pnpm", "yarn.lock": "yarn"}
_MAINS = ("server.js", "index.js", "app.js", "main.js", "server.mjs", "index.mjs", "server.ts", "index.ts")
# Bundlers whose build is a directory of files, and that directory.
_SITES = {
    "vite": "dist",
    "astro": "dist",
    "react-scripts": "build",
    "@11ty/eleventy": "_site",
    "@vue/cli-service": "dist",
}
_SERVERS = frozenset(
    [
        "express",
        "fastify",
        "koa",
        "@hapi/hapi",
        "hono",
        "next",
        "nuxt",
        "@nestjs/core",
        "restify",
        "polka",
        "@sveltejs/kit",
        "@remix-run/serve",
        "ws",
        "socket.io",
    ]
)
# What sh would do more with than start one program; then the package manager runs the script.
_SHELL = re.compile(r"[|&;<>`$()*?~#\n'\"\\=]")
_REPORTERS = (
    "--test-reporter=spec --test-reporter-destination=stdout --test-reporter=junit --test-reporter-destination="
)


def recognise(source: Source, toolchains: Mapping[str, str]) -> Found | None:
    """Raises `BadProjectFile` and the errors of `Source`."""
    if not source.has("package.json"):
        return None
    package = read_json(source, "package.json")
    scripts = {name: text for name, text in table(package.get("scripts")).items() if isinstance(text, str)}
    manager, lock, because = _manager(source, package)
    reasons = [Reason("Node", "package.json"), Reason(f"dependencies by {manager}", because)]
    version, version_from = _version(source, package)
    if version is not None:
        reasons.append(Reason(f"Node version {version}", version_from))
    commands = (f"{manager} run build",) if "build" in scripts else ()
    if commands:
        reasons.append(Reason(f"build: `{commands[0]}`", "scripts.build in package.json"))
    test, tested = _tests(package, scripts, manager, toolchains)
    build = Build(language="node", version=version, manager=manager, lock_file=lock, commands=commands)
    found = Found(build=build, test=test, reasons=(*reasons, *tested), tools=tuple(dict.fromkeys(("node", manager))))
    return _started(source, package, scripts, found)


def _started(source: Source, package: Mapping[str, Any], scripts: Mapping[str, str], found: Found) -> Found:
    dependencies = {*table(package.get("dependencies")), *table(package.get("devDependencies"))}
    if start := scripts.get("start"):
        command, because = _start_command(start, scripts, found.build.manager)
        return _with(found, *_listening(source, command, dependencies, because))
    members = _members(source, package)
    if members:
        lacking = f"package.json is a workspace of {', '.join(members[:5])} and has no scripts.start of its own"
        advice = (
            f"Set the service's path to one member, such as {members[0].rstrip('*/')}, or add scripts.start at the top."
        )
        return replace(found, lacking=lacking, advice=advice)
    site = next((name for name in _SITES if name in dependencies), None)
    if site is not None and "build" in scripts and not dependencies & _SERVERS:
        publish = _SITES[site]
        reason = Reason(f"static site in {publish}/", f"{site} is among the dependencies and there is no scripts.start")
        return replace(found, build=replace(found.build, publish=publish), reasons=(*found.reasons, reason))
    main = package.get("main")
    named = main if isinstance(main, str) and source.has(main) else None
    if file := named or source.first(*_MAINS):
        because = "main in package.json" if named else f"{file} is there"
        return _with(found, *_listening(source, f"node {file}", dependencies, because))
    lacking = f"package.json has neither scripts.start nor main, and none of {', '.join(_MAINS[:3])} is there"
    return replace(
        found, lacking=lacking, advice='Add "scripts": {"start": "node server.js"} to package.json, or a Procfile.'
    )


def _with(found: Found, processes: tuple[Process, ...], reason: Reason) -> Found:
    return replace(found, processes=processes, reasons=(*found.reasons, reason))


def _start_command(start: str, scripts: Mapping[str, str], manager: str) -> tuple[str, str]:
    """A plain `node ...` is run as it is: the package manager in front would cost a process more and 0.2 s."""
    hooks = "prestart" in scripts or "poststart" in scripts
    if start.startswith("node ") and not hooks and not _SHELL.search(start):
        return start, "scripts.start in package.json"
    return f"{manager} start", "scripts.start in package.json"


def _listening(
    source: Source, command: str, dependencies: set[str], because: str
) -> tuple[tuple[Process, ...], Reason]:
    """A web process, unless the started file can be read and shows no sign of listening."""
    words = command.split()
    file = next((word for word in words[1:] if not word.startswith("-")), "") if words[0] == "node" else ""
    text = source.read(file) if file and source.has(file) else None
    if text is None or "PORT" in text or "listen(" in text or dependencies & _SERVERS:
        return web(command), Reason(f"web: `{command}`", because)
    return worker(command), Reason(f"worker: `{command}`", f"{because}; {file} neither reads PORT nor listens")


def _manager(source: Source, package: Mapping[str, Any]) -> tuple[str, str | None, str]:
    """(manager, lock file, because)."""
    asked = str(package.get("packageManager", "")).partition("@")[0]
    locks = [file for file in _LOCKS if source.has(file)]
    if asked in _LOCKS.values():
        return asked, next((file for file in locks if _LOCKS[file] == asked), None), "packageManager in package.json"
    if locks:
        return _LOCKS[locks[0]], locks[0], locks[0]
    return "npm", None, "there is no lock file; commit one, so that every build installs the same"


def _version(source: Source, package: Mapping[str, Any]) -> tuple[str | None, str]:
    for file in (".nvmrc", ".node-version"):
        written = (source.read(file) or "").strip().lstrip("v")
        if re.fullmatch(r"\d+(\.\d+){0,2}", written):
            return written, file
    asked = table(package.get("engines")).get("node")
    return (asked, "engines in package.json") if isinstance(asked, str) and 0 < len(asked) <= 80 else (None, "")


def _members(source: Source, package: Mapping[str, Any]) -> tuple[str, ...]:
    workspaces = package.get("workspaces")
    members = texts(workspaces) or texts(table(workspaces).get("packages"))
    return members or (("the packages in pnpm-workspace.yaml",) if source.has("pnpm-workspace.yaml") else ())


def _tests(
    package: Mapping[str, Any], scripts: Mapping[str, str], manager: str, toolchains: Mapping[str, str]
) -> tuple[Test | None, list[Reason]]:
    script = scripts.get("test", "")
    if not script or "no test specified" in script:
        return None, []
    command, junit = _reporting(
        script, f"{manager} test", {*table(package.get("devDependencies"))}, toolchains.get("node", "")
    )
    return Test(command=command, junit=junit), [Reason(f"tests by `{manager} test`", "scripts.test in package.json")]


def _reporting(script: str, command: str, development: set[str], node: str) -> tuple[str, str | None]:
    """The test command, asked for JUnit XML where the runner of the script can write it."""
    if "HIGHROAD_JUNIT" in script:
        return command, JUNIT
    passing = f"{command} -- " if command.startswith("npm") else f"{command} "
    if re.match(r"node\b.* --test\b", script) and _major(node) >= 20 and "--test-reporter" not in script:
        # By environment, because options behind the file names of the script would be taken for file names.
        return f'NODE_OPTIONS="$NODE_OPTIONS {_REPORTERS}{JUNIT}" {command}', JUNIT
    if re.match(r"vitest\b", script) and not _SHELL.search(script):
        return f'{passing}--reporter=default --reporter=junit --outputFile.junit="{JUNIT}"', JUNIT
    if re.match(r"jest\b", script) and "jest-junit" in development and not _SHELL.search(script):
        return f'JEST_JUNIT_OUTPUT_FILE="{JUNIT}" {passing}--reporters=default --reporters=jest-junit', JUNIT
    return command, None


def _major(version: str) -> int:
    match = re.match(r"v?(\d+)", version)
    return int(match[1]) if match else 0

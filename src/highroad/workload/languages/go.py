"""Recognises a Go module: which package is the program, whether it listens, whether it has tests."""

from __future__ import annotations

import re
from collections.abc import Mapping

from highroad.workload.languages.found import Found, web, worker
from highroad.workload.model import Build, Reason, Test
from highroad.workload.source import Source

LOOKED_FOR = ("go.mod",)
PROGRAM = "bin/app"
_MAIN = re.compile(r"^package main\b", re.MULTILINE)
_LISTENS = re.compile(r'"PORT"|ListenAndServe|net\.Listen|\.Run\(|\.Listen\(')
_FILES_READ = 50


def recognise(source: Source, toolchains: Mapping[str, str]) -> Found | None:  # noqa: ARG001  # `detect` checks `tools`
    module = source.read("go.mod")
    if module is None:
        return None
    version = re.search(r"^go (\d+\.\d+(?:\.\d+)?)\s*$", module, re.MULTILINE)
    packages = _main_packages(source)
    build = Build(
        language="go",
        version=version[1] if version else None,
        manager="go",
        lock_file="go.sum" if source.has("go.sum") else "go.mod",
        commands=(f"go build -o {PROGRAM} {packages[0][0]}",) if len(packages) == 1 else (),
    )
    test = Test(command="go test ./...") if _has_tests(source) else None
    reasons = [Reason("Go", "go.mod")] + ([Reason("tests by `go test ./...`", "files named *_test.go")] if test else [])
    if len(packages) != 1:
        names = ", ".join(path for path, _ in packages)
        lacking = f"go.mod has several programs: {names}" if packages else "no package main is in the root or in cmd/*"
        advice = "Name build.commands and processes in highroad.yaml, or write a Procfile."
        return Found(build=build, test=test, reasons=tuple(reasons), tools=("go",), lacking=lacking, advice=advice)
    path, listens = packages[0]
    command = f"./{PROGRAM}"
    processes = web(command) if listens else worker(command)
    reasons.append(
        Reason(f"{processes[0].name}: `{command}`", f"package main in {path}" + (" listens" if listens else ""))
    )
    return Found(build=build, processes=processes, test=test, reasons=tuple(reasons), tools=("go",))


def _main_packages(source: Source) -> list[tuple[str, bool]]:
    """(package path, whether it seems to listen) of the root or of each directory in `cmd`."""
    for candidates in (["."], [f"./cmd/{name}" for name in source.names("cmd") if re.fullmatch(r"[\w.-]+", name)]):
        found = []
        for path in candidates:
            folder = path.removeprefix(".").removeprefix("/")
            texts = [source.read(f"{folder}/{name}".lstrip("/")) or "" for name in _go_files(source, folder)]
            if any(_MAIN.search(text) for text in texts):
                found.append((path, path != "." or any(_LISTENS.search(text) for text in texts)))
        if found:
            return found
    return []


def _go_files(source: Source, folder: str) -> list[str]:
    return [name for name in source.names(folder) if name.endswith(".go") and not name.endswith("_test.go")][
        :_FILES_READ
    ]


def _has_tests(source: Source) -> bool:
    folders = ["", *(name for name in source.names() if name.isidentifier())]
    return any(name.endswith("_test.go") for folder in folders for name in source.names(folder))

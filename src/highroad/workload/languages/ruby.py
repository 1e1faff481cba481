"""Recognises a Ruby project by its Gemfile: Rails, any Rack application, or a plain script."""

from __future__ import annotations

import re
from collections.abc import Mapping

from highroad.workload.languages.found import Found, web, worker
from highroad.workload.model import Build, Process, Reason, Test
from highroad.workload.source import Source

LOOKED_FOR = ("Gemfile",)
_LOCK_LIMIT = 4 * 1024 * 1024
_GEM = re.compile(r"^\s*gem\s*\(?\s*['\"]([\w-]+)['\"]|^    ([\w-]+) \(", re.MULTILINE)
_SCRIPTS = ("app.rb", "main.rb", "server.rb", "worker.rb")


def recognise(source: Source, toolchains: Mapping[str, str]) -> Found | None:  # noqa: ARG001  # `detect` checks `tools`
    gemfile = source.read("Gemfile")
    if gemfile is None:
        return None
    lock = source.read("Gemfile.lock", limit=_LOCK_LIMIT)
    gems = {first or second for first, second in _GEM.findall(f"{gemfile}\n{lock or ''}")}
    processes, because = _start(source, gems)
    test = _tests(source, gems)
    reasons = [Reason("Ruby", "Gemfile")]
    reasons += [Reason(f"{process.name}: `{process.command}`", because) for process in processes]
    reasons += (
        [Reason(f"tests by `{test.command}`", "spec/" if "rspec" in test.command else "Rakefile")] if test else []
    )
    version = (source.read(".ruby-version") or "").strip().removeprefix("ruby-")
    return Found(
        build=Build(
            language="ruby",
            version=version if re.fullmatch(r"\d+(\.\d+){1,2}", version) else None,
            manager="bundler",
            lock_file="Gemfile.lock" if lock is not None else None,
        ),
        processes=processes,
        test=test,
        reasons=tuple(reasons),
        tools=("ruby", "bundle"),
        lacking="" if processes else f"neither config.ru nor one of {', '.join(_SCRIPTS)} is there",
        advice="" if processes else "Add a Procfile with a line such as 'web: bundle exec puma -p $PORT'.",
    )


def _start(source: Source, gems: set[str]) -> tuple[tuple[Process, ...], str]:
    if "rails" in gems and source.has("bin/rails"):
        return web("bundle exec rails server -b 127.0.0.1 -p $PORT"), "the gem rails"
    if source.has("config.ru"):
        puma = "puma" in gems
        server = "puma -b tcp://127.0.0.1:$PORT" if puma else "rackup --host 127.0.0.1 --port $PORT"
        return web(f"bundle exec {server}"), "config.ru" + (" and the gem puma" if puma else "")
    script = source.first(*_SCRIPTS)
    if script is None:
        return (), ""
    command = f"bundle exec ruby {script}"
    listens = "PORT" in (source.read(script) or "") or bool(gems & {"sinatra", "roda", "puma", "webrick"})
    return (web(command) if listens and script != "worker.rb" else worker(command)), script


def _tests(source: Source, gems: set[str]) -> Test | None:
    if "rspec" in gems | {gem.removesuffix("-rails") for gem in gems} and source.has_directory("spec"):
        return Test(command="bundle exec rspec")
    if source.has("Rakefile") and source.has_directory("test"):
        return Test(command="bundle exec rake test")
    return None

"""Real repositories with pushed commits, and their runs carried out in this thread."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from highroad.access.model import SYSTEM
from highroad.pipelines import actions, store
from highroad.pipelines.model import PipelineRun, RunState
from highroad.sources.protocol import RefUpdate
from highroad.workflows.run import Observer
from tests.deployments.stage import Stage, bare_run

PROCFILE = {"Procfile": "worker: sleep 600\n"}
"""The least that can be deployed: no language, no dependencies, nothing to build."""


def git(directory: Path, *words: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(directory), "GIT_CONFIG_NOSYSTEM": "1"}
    who = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *who, *words], cwd=directory, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def pushed(
    stage: Stage, clone: Path, files: Mapping[str, str], *, branch: str = "main", message: str = "Change"
) -> PipelineRun:
    """Commit `files` and push them with git; then record it as the Git server does."""
    repository = stage.platform.repository_of(stage.service.id)
    if not repository.exists():
        repository.create()
    if not clone.exists():
        clone.mkdir(parents=True)
        git(clone, "init", "--quiet", "--initial-branch=main", ".")
    for name, text in files.items():
        (clone / name).write_text(text)
    git(clone, "add", "--all")
    git(clone, "commit", "--quiet", "--allow-empty", "--allow-empty-message", "--message", message)
    old = repository.heads().get(branch)
    git(clone, "push", "--quiet", "--force", str(repository.path), f"HEAD:refs/heads/{branch}")
    update = RefUpdate(f"refs/heads/{branch}", old, repository.heads()[branch])
    _, runs = stage.platform.gate.record(stage.service.id, SYSTEM, [update])
    with stage.platform.context.db.read() as tx:
        run = store.run(tx, runs[0])
    assert run is not None
    return run


@dataclass
class Yard:
    stage: Stage
    clone: Path
    watchers: list[threading.Thread] = field(default_factory=list)

    def push(self, files: Mapping[str, str], *, branch: str = "main", message: str = "Change") -> PipelineRun:
        return pushed(self.stage, self.clone, files, branch=branch, message=message)

    def work(self, observer: Observer | None = None) -> None:
        """Carry out runs and then deployments until nothing has its turn."""
        while working := self.runs("running"):
            for run in working:
                self.stage.platform.pipeline(bare_run(actions.WORKFLOW, run.id, observer), run.id)
        self.stage.work()
        for watcher in self.watchers:
            watcher.join(10)
            assert not watcher.is_alive()

    def runs(self, state: RunState) -> list[PipelineRun]:
        with self.stage.platform.context.db.read() as tx:
            return store.runs_in(tx, state)

    def run(self, run: PipelineRun) -> PipelineRun:
        with self.stage.platform.context.db.read() as tx:
            found = store.run(tx, run.id)
        assert found is not None
        return found

    def said(self, run: PipelineRun) -> str:
        lines, _ = self.stage.platform.journal.read(run.id)
        return "\n".join(line.text for line in lines)

    def when_said(self, run: PipelineRun, text: str, act: Callable[[], object]) -> None:
        """Do something in a thread of its own as soon as the run has said `text`."""

        def watch() -> None:
            deadline = time.monotonic() + 30
            while text not in self.said(run):
                assert time.monotonic() < deadline, f"{text!r} was not said"
                time.sleep(0.01)
            act()

        self.watchers.append(threading.Thread(target=watch))
        self.watchers[-1].start()

"""Tidying up: releases beyond those kept, artifacts and dependencies nobody needs, records of work that ended long ago,
leftovers of killed runs.

What is kept: the newest `keep_releases` of a service, and every release that serves, is being deployed, or can be
rolled back to. Called by the caretaker every ten minutes. What may go is found while reading, which keeps nobody
waiting, and deleted a few rows at a time, each few asked for again in the transaction that deletes them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar

from highroad.builds.build import Builder
from highroad.builds.trees import remove
from highroad.db.engine import Database, Transaction
from highroad.deployments import retention, store
from highroad.kit.clock import now
from highroad.pipelines import store as pipelines
from highroad.pipelines.journal import Journal
from highroad.projects import store as projects
from highroad.settings import Settings
from highroad.sources.repository import Repository

FRESH_SECONDS = 3600.0
DEPENDENCY_BYTES = 10 * 1024**3
DEPENDENCY_SECONDS = 14 * 86_400.0
KEEP_RECORDS = 200
"""Runs kept of a service, and deployments and commands of a place; more where what is kept needs them."""
KEEP_COMMANDS = timedelta(days=30)
SETTLED = timedelta(hours=1)
BATCH = 100
"""Rows deleted in one transaction."""

Id = TypeVar("Id", str, int)


class Housekeeping:
    def __init__(
        self,
        settings: Settings,
        db: Database,
        builder: Builder,
        repository_of: Callable[[str], Repository],
        journal: Journal,
        tidy_audit: Callable[[], object],
    ) -> None:
        """`tidy_audit` drops events whose time is over (`audit.retention`)."""
        self._settings = settings
        self._db = db
        self._builder = builder
        self._repository_of = repository_of
        self._journal = journal
        self._tidy_audit = tidy_audit

    def know_toolchains(self) -> None:
        """Look for the machine's interpreters and compilers, so that the first push does not wait for that; they are
        kept as long as this process."""
        self._builder.tools()

    def tidy(self) -> None:
        for service in self._services():
            self._drop_releases(service)
            self._drop_records(service)
        self._tidy_audit()
        self._prune_builds()
        for service in self._services():
            repository = self._repository_of(service)
            if repository.exists():
                repository.sweep()
                repository.maintain()

    # Files

    def _prune_builds(self) -> None:
        with self._db.read() as tx:
            kept = self._kept_artifacts(tx)
            working = {run.id for run in pipelines.runs_in(tx, "running")}
        # What was built or found since is fresh.
        self._builder.artifacts.prune(set(kept), fresh_seconds=FRESH_SECONDS, now=time.time())
        self._builder.dependencies.prune(
            in_use={key for keys in kept.values() for key in keys},
            keep_bytes=DEPENDENCY_BYTES,
            keep_seconds=DEPENDENCY_SECONDS,
        )
        for leftover in self._settings.work.glob("*"):
            if leftover.name not in working and leftover.stat().st_mtime < time.time() - FRESH_SECONDS:
                remove(leftover)

    def _kept_artifacts(self, tx: Transaction) -> dict[str, tuple[str, ...]]:
        """Digests of all artifacts that something needs, with the dependencies each needs: of every release, of runs at
        work, which have no release yet, and of what runs, though its release may be gone."""
        found = pipelines.kept_artifacts(tx)
        found += [made for run in pipelines.runs_in(tx, "running") if (made := pipelines.artifact_of(tx, run.id))]
        kept = {artifact.digest: artifact.dependencies for artifact in found}
        root = self._settings.artifacts
        for directory in {Path(instance.spec.artifact) for instance in store.live_instances(tx)}:
            if directory.is_relative_to(root) and directory != root:
                digest = f"sha256:{directory.relative_to(root).parts[0]}"
                running = None if digest in kept else self._builder.artifacts.find(digest)
                if running is not None:
                    kept[digest] = running.dependencies
        return kept

    # Rows

    def _drop_releases(self, service_id: str) -> None:
        with self._db.read() as tx:
            old = self._old_releases(tx, service_id)
        for first in range(0, len(old), BATCH):
            with self._db.begin() as tx:
                still = set(self._old_releases(tx, service_id))
                for id in still.intersection(old[first : first + BATCH]):
                    pipelines.remove_release(tx, id)

    def _old_releases(self, tx: Transaction, service_id: str) -> list[str]:
        surplus = pipelines.release_ids(tx, service_id)[self._settings.keep_releases :]
        needed = self._needed(tx, service_id) if surplus else set()
        return [id for id in surplus if id not in needed]

    def _needed(self, tx: Transaction, service_id: str) -> set[str]:
        needed: set[str] = set()
        for placement in store.list_placements(tx, service_id=service_id):
            needed |= {placement.release_id} if placement.release_id else set()
            here = (service_id, placement.environment_id)
            needed |= set(store.released_here(tx, *here, limit=self._settings.keep_releases))
            for state in ("queued", "running"):
                found = store.deployments_in(tx, state, *here)
                needed |= {each.release_id for each in found if each.release_id}
        return needed

    def _drop_records(self, service_id: str) -> None:
        with self._db.read() as tx:
            places = [each.environment_id for each in store.list_placements(tx, service_id=service_id)]
        instant = now()
        for environment_id in places:
            commands = partial(
                retention.old_commands,
                service_id=service_id,
                environment_id=environment_id,
                keep=KEEP_RECORDS,
                before=instant - KEEP_COMMANDS,
                settled=instant - SETTLED,
                limit=BATCH,
            )
            self._drop(commands, partial(self._forget, retention.remove_commands))
            deployments = partial(
                retention.old_deployments,
                service_id=service_id,
                environment_id=environment_id,
                keep=KEEP_RECORDS,
                limit=BATCH,
            )
            self._drop(deployments, partial(self._forget, retention.remove_deployments))
        runs = partial(retention.old_runs, service_id=service_id, keep=KEEP_RECORDS, limit=BATCH)
        self._drop(runs, partial(self._forget, retention.remove_runs))

    def _forget(
        self, delete: Callable[[Transaction, Sequence[str]], None], tx: Transaction, ids: Sequence[str]
    ) -> None:
        """Delete what said something while it worked, with what it said."""
        for id in ids:  # before its row is gone: a crash here leaves the row, and the next time finds it
            self._journal.forget(id)
        delete(tx, ids)

    def _drop(
        self, old: Callable[[Transaction], Sequence[Id]], delete: Callable[[Transaction, Sequence[Id]], None]
    ) -> None:
        """Delete what `old` finds, until it finds nothing."""
        while True:
            with self._db.read() as tx:
                if not old(tx):
                    return
            with self._db.begin() as tx:
                delete(tx, old(tx))

    def _services(self) -> list[str]:
        with self._db.read() as tx:
            return [service.id for service in projects.list_services(tx)]

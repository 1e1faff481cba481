"""Tidying up: releases beyond those kept, artifacts and dependencies nobody needs, leftovers of killed runs.

What is kept: the newest `keep_releases` of a service, and every release that serves, is being deployed, or can be
rolled back to. Called by the caretaker every ten minutes.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from highroad.builds.build import Builder
from highroad.builds.trees import remove
from highroad.db.engine import Database, Transaction
from highroad.deployments import store
from highroad.kit.paging import PageRequest
from highroad.pipelines import store as pipelines
from highroad.projects import store as projects
from highroad.settings import Settings
from highroad.sources.repository import Repository

FRESH_SECONDS = 3600.0
DEPENDENCY_BYTES = 10 * 1024**3
DEPENDENCY_SECONDS = 14 * 86_400.0


class Housekeeping:
    def __init__(
        self, settings: Settings, db: Database, builder: Builder, repository_of: Callable[[str], Repository]
    ) -> None:
        self._settings = settings
        self._db = db
        self._builder = builder
        self._repository_of = repository_of

    def know_toolchains(self) -> None:
        """Look for the machine's interpreters and compilers, so that the first push does not wait for that; they are
        kept as long as this process."""
        self._builder.tools()

    def tidy(self) -> None:
        with self._db.begin() as tx:
            kept = self._drop_releases(tx)
            # An artifact that a run at work has made is not of a release yet.
            for run in pipelines.runs_in(tx, "running"):
                artifact = pipelines.artifact_of(tx, run.id)
                if artifact is not None:
                    kept[artifact.digest] = artifact.dependencies
            working = {run.id for run in pipelines.runs_in(tx, "running")}
        self._builder.artifacts.prune(set(kept), fresh_seconds=FRESH_SECONDS, now=time.time())
        self._builder.dependencies.prune(
            in_use={key for keys in kept.values() for key in keys},
            keep_bytes=DEPENDENCY_BYTES,
            keep_seconds=DEPENDENCY_SECONDS,
        )
        for leftover in self._settings.work.glob("*"):
            if leftover.name not in working and leftover.stat().st_mtime < time.time() - FRESH_SECONDS:
                remove(leftover)
        for repository in self._repositories():
            repository.sweep()
            repository.maintain()

    def _drop_releases(self, tx: Transaction) -> dict[str, tuple[str, ...]]:
        """Delete old releases; the digests of all that stay, with the dependencies each needs."""
        kept: dict[str, tuple[str, ...]] = {}
        for service in projects.list_services(tx):
            needed = self._needed(tx, service.id)
            page = pipelines.list_releases(tx, service.id, PageRequest(10_000))
            for position, release in enumerate(page.items):
                if position < self._settings.keep_releases or release.id in needed:
                    kept[release.artifact.digest] = release.artifact.dependencies
                else:
                    pipelines.remove_release(tx, release.id)
        return kept

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

    def _repositories(self) -> list[Repository]:
        with self._db.read() as tx:
            services = projects.list_services(tx)
        found = (self._repository_of(service.id) for service in services)
        return [repository for repository in found if repository.exists()]

"""What a `git push` sets off: the Git server's gate. Who may open which repository, and what becomes of pushed refs.

The lines it yields are what the developer sees as `remote:`; they end with the live URL, or with why not and what next.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace

from starlette.concurrency import run_in_threadpool

from highroad.access.model import Actor
from highroad.access.permissions import NotAllowed, NotSignedIn, require, require_scope
from highroad.access.refusals import refused
from highroad.deployments.follow import Followed, Follower, lines_of
from highroad.errors import Unavailable
from highroad.pipelines import actions as pipelines
from highroad.pipelines import store as pipeline_store
from highroad.pipelines.actions import PushedCommit
from highroad.projects import store as projects
from highroad.projects.actions import find_service
from highroad.projects.model import Service
from highroad.sources.gateway import Opened
from highroad.sources.protocol import RefUpdate
from highroad.sources.repository import Commit, Repository
from highroad.web.auth import authenticate
from highroad.web.context import Context

MESSAGE_BYTES = 4000
PATIENCE = 20
"""Attempts to record a push, a second apart; after that it is found when the repositories are compared again."""


class PushGate:
    """Implements `sources.gateway.Gate`."""

    def __init__(
        self,
        context: Context,
        follower: Follower,
        *,
        repository_of: Callable[[str], Repository],
        start: Callable[[str, str], None],
    ) -> None:
        self._context = context
        self._follower = follower
        self._repository_of = repository_of
        self._start = start

    async def authorize(self, project: str, service: str, token: str | None, *, write: bool) -> Opened[Actor]:
        return await run_in_threadpool(self._authorize, project, service, token, write)

    async def received(self, opened: Opened[Actor], updates: Sequence[RefUpdate]) -> AsyncIterator[str]:
        lines, runs = await self._record_patiently(opened, updates)
        return self._show(lines, runs, _reader(opened.actor))

    async def _record_patiently(
        self, opened: Opened[Actor], updates: Sequence[RefUpdate]
    ) -> tuple[list[str], list[str]]:
        """Git has accepted the push: a database that is away for a moment must not make it one that nothing follows."""
        for attempt in range(PATIENCE):
            try:
                return await run_in_threadpool(self.record, opened.service_id, opened.actor, updates)
            except Unavailable:
                if attempt == PATIENCE - 1:
                    raise
                await asyncio.sleep(1.0)
        raise AssertionError("the last attempt returned or raised")

    def _authorize(self, project: str, service: str, token: str | None, write: bool) -> Opened[Actor]:
        if token is None:
            raise NotSignedIn(
                "This repository needs a token.",
                next_step="highroad login, then highroad init in the repository: git then finds the token by itself.",
            )
        actor = authenticate(self._context, token, origin="git", address="")
        try:
            found = self._find(actor, "repository:write" if write else "repository:read", project, service)
        except NotAllowed as error:
            refused(self._context.db, self._context.log, actor, error)
            raise
        repository = self._repository_of(found.id)
        if not repository.exists():
            repository.create()
        return Opened(repository, found.id, actor, whose=actor.id)

    def _find(self, actor: Actor, action: str, project: str, service: str) -> Service:
        require_scope(actor, action)
        with self._context.db.read() as tx:
            found = find_service(tx, _reader(actor), project, service)
        require(actor, action, found.place)
        return found

    def record(self, service_id: str, actor: Actor, updates: Sequence[RefUpdate]) -> tuple[list[str], list[str]]:
        """Record what git accepted. Returns lines to show at once, and the runs to follow."""
        lines, runs = [], []
        # Before the transaction, which keeps every other writer waiting.
        commits = {new: self._commit(service_id, new) for update in updates if update.branch and (new := update.new)}
        with self._context.db.begin() as tx:
            service = projects.service_by_id(tx, service_id)
            if service is None:
                return ["The service was deleted in the meantime; nothing will run."], []
            for update in updates:
                if update.tag is not None:
                    lines.append(f"Tag {update.tag} is stored. Tags start no pipeline run.")
                elif update.branch is not None and update.new is None:
                    pipelines.record_branch_deleted(tx, self._context.log, actor, service, update.branch)
                    lines.append(f"Branch {update.branch} is deleted. What runs keeps running.")
                elif update.branch is not None and update.new is not None:
                    commit = commits[update.new]
                    author = f"{commit.author} <{commit.email}>"
                    message = commit.message[:MESSAGE_BYTES]
                    pushed = PushedCommit(update.branch, update.old, update.new, message, author)
                    run = pipelines.record_push(tx, self._context.log, actor, service, pushed, self._start)
                    runs.append(run.id)
        return lines, runs

    def reconcile(self, service: Service, who: Actor) -> list[str]:
        """Record heads that git accepted and nobody recorded, because Highroad died in between. Returns their runs."""
        repository = self._repository_of(service.id)
        if not repository.exists():
            return []
        heads = repository.heads()
        with self._context.db.read() as tx:
            recorded = pipeline_store.recorded_heads(tx, service.id)
        updates = [
            RefUpdate(f"refs/heads/{branch}", recorded.get(branch), commit)
            for branch, commit in heads.items()
            if recorded.get(branch) != commit
        ]
        updates += [
            RefUpdate(f"refs/heads/{branch}", recorded[branch], None) for branch in recorded if branch not in heads
        ]
        return self.record(service.id, who, updates)[1] if updates else []

    def _commit(self, service_id: str, commit: str) -> Commit:
        return self._repository_of(service_id).commit_info(commit)

    async def _show(self, lines: list[str], runs: list[str], reader: Actor) -> AsyncIterator[str]:
        for line in lines:
            yield line
        for run_id in runs:

            def follow(cursor: str | None, run_id: str = run_id) -> Followed:
                return self._follower.run(run_id, cursor, reader)

            async for line in lines_of(follow, self._follower.journal):
                yield line


def _reader(actor: Actor) -> Actor:
    """A token for git alone may find the repository that it names, and nothing else."""
    return replace(actor, scopes=actor.scopes | {"read"})

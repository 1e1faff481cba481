"""Following a run or a deployment to its end: what the push stream, the API's streams and the portal read.

The state is read before the lines: once it has ended, what is in the journal is all there will be.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from highroad.access.model import Actor
from highroad.access.permissions import allowed
from highroad.db.engine import Database
from highroad.deployments import store
from highroad.deployments.model import Deployment
from highroad.errors import Malformed
from highroad.pipelines import store as pipelines
from highroad.pipelines.journal import DEPLOY_TASK, Journal, Line
from highroad.pipelines.model import PipelineRun
from highroad.projects import store as projects

GATHER_SECONDS = 0.02
"""How long a follower that was woken lets news gather: a push rings dozens of times in its half second, and reading
after each ring would take the processor from the very run that is followed."""


class BadCursor(Malformed):
    code = "bad-cursor"
    title = "The cursor is not one of ours"


@dataclass(frozen=True, slots=True)
class Followed:
    """What there is to say since the last look: lines, where they end, the subject now, and whether that was all."""

    lines: tuple[Line, ...]
    cursor: str
    run: PipelineRun | None
    deployments: tuple[Deployment, ...]
    ended: bool


@dataclass(frozen=True, slots=True)
class Follower:
    """`run_lines` and `deployment_lines` are the journals' directories of their kinds."""

    db: Database
    journal: Journal

    def run(self, run_id: str, cursor: str | None, actor: Actor) -> Followed:
        """A run's lines, then those of each of its deployments in turn, as far as `actor` may see where they go."""
        with self.db.read() as tx:
            run = pipelines.run(tx, run_id)
            service = projects.service_by_id(tx, run.service_id) if run else None
            everywhere = projects.list_environments(tx, service.project_id) if service else []
            seen = {each.id: each.name for each in everywhere if allowed(actor, "project:read", each.place)}
            deployments = tuple(each for each in store.deployments_of_run(tx, run_id) if each.environment_id in seen)
        assert run is not None, "the caller found it; deletion ends its streams with its service"
        offsets = _offsets(cursor)
        about = {f"{DEPLOY_TASK}{name}" for name in seen.values()}
        said = self._read(run_id, offsets)
        lines = [each for each in said if not each.task.startswith(DEPLOY_TASK) or each.task in about]
        ended = run.ended
        for deployment in deployments if run.ended else ():
            task = f"{DEPLOY_TASK}{seen[deployment.environment_id]}"
            lines += [Line(each.at, task, each.text) for each in self._read(deployment.id, offsets)]
            told = deployment.ended or deployment.state == "waiting"  # nobody waits for people before a terminal
            ended = ended and told
            if not told:
                break  # one after the other, so that their lines do not mingle
        return Followed(tuple(lines), json.dumps(offsets, separators=(",", ":")), run, deployments, ended)

    def deployment(self, deployment_id: str, cursor: str | None) -> Followed:
        with self.db.read() as tx:
            deployment = store.deployment(tx, deployment_id)
        assert deployment is not None, "the caller found it"
        offsets = _offsets(cursor)
        lines = self._read(deployment_id, offsets)
        ended = deployment.ended or deployment.state == "waiting"
        return Followed(tuple(lines), json.dumps(offsets, separators=(",", ":")), None, (deployment,), ended)

    def _read(self, subject: str, offsets: dict[str, int]) -> list[Line]:
        """All whole lines after the offset, which is moved behind them."""
        lines: list[Line] = []
        while True:
            more, offset = self.journal.read(subject, offsets.get(subject, 0))
            offsets[subject] = offset
            lines += more
            if not more:
                return lines


def _offsets(cursor: str | None) -> dict[str, int]:
    if not cursor:
        return {}
    try:
        offsets = json.loads(cursor)
        return {str(key): min(max(0, int(value)), 2**53) for key, value in offsets.items()}
    except (ValueError, AttributeError, TypeError, OverflowError, RecursionError) as error:
        raise BadCursor("The cursor cannot be read.", next_step="Start again without a cursor.") from error


async def lines_of(follow: Callable[[str | None], Followed], journal: Journal) -> AsyncIterator[str]:
    """The texts of a followed subject until it ends; closing the iterator only stops reading."""
    cursor: str | None = None
    while True:
        seen = journal.bell.rung
        followed = await run_in_threadpool(follow, cursor)
        cursor = followed.cursor
        for line in followed.lines:
            yield line.text
        if followed.ended:
            for text in _unsaid(followed):
                yield text
            return
        await journal.bell.wait_async(seen, 1.0)
        await asyncio.sleep(GATHER_SECONDS)


def _unsaid(followed: Followed) -> list[str]:
    """Ends that no workflow had the chance to tell, because none was started."""
    texts = []
    if followed.run is not None and followed.run.started_at is None:
        texts.append(f" !     Run {followed.run.number} {followed.run.state}: {followed.run.reason}")
    for deployment in followed.deployments:
        if deployment.started_at is None and deployment.ended:
            texts.append(f" !     Deployment {deployment.number} {deployment.state}: {deployment.reason}")
    return texts

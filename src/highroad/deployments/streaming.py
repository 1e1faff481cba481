"""Followed runs, deployments, commands and app logs as server-sent events: lines, changes of state, the end."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import Request
from fastapi.responses import StreamingResponse

from highroad.access.model import Actor
from highroad.db.engine import Transaction
from highroad.deployments import command_store, store
from highroad.deployments.answers import command_answer, deployment_answer, run_answer
from highroad.deployments.desk import Desk
from highroad.deployments.follow import Followed
from highroad.deployments.instances import stream_of
from highroad.drivers.contract import LogLine
from highroad.kit.clock import rfc3339
from highroad.kit.numbers import whole_number
from highroad.pipelines import store as pipelines
from highroad.projects import store as projects
from highroad.projects.model import Environment, Service
from highroad.web.streams import Message, Piece, Reader, stream

LOG_POLL_SECONDS = 0.25


def run_stream(desk: Desk, request: Request, id: str, actor: Actor) -> StreamingResponse:
    def answer(tx: Transaction) -> object:
        run = pipelines.run(tx, id)
        assert run is not None, "the route found it"
        service = projects.service_by_id(tx, run.service_id)
        assert service is not None, "runs reference services"
        return run_answer(tx, service, run, actor).model_dump(mode="json")

    return stream(
        request, desk.context.bell, _reader(desk, lambda cursor: desk.follower.run(id, cursor, actor), answer)
    )


def deployment_stream(desk: Desk, request: Request, id: str) -> StreamingResponse:
    def answer(tx: Transaction) -> object:
        deployment = store.deployment(tx, id)
        assert deployment is not None, "the route found it"
        service = projects.service_by_id(tx, deployment.service_id)
        environment = projects.environment_by_id(tx, deployment.environment_id)
        assert service is not None, "deployments reference services"
        assert environment is not None, "deployments reference environments"
        return deployment_answer(tx, service, environment, deployment, desk.context.settings).model_dump(mode="json")

    return stream(
        request, desk.context.bell, _reader(desk, lambda cursor: desk.follower.deployment(id, cursor), answer)
    )


def _reader(desk: Desk, follow: Callable[[str | None], Followed], answer: Callable[[Transaction], object]) -> Reader:
    """Lines as they come, the subject whenever it changed, and at last its end."""
    told: list[object] = []

    def read(cursor: str | None) -> Piece:
        followed = follow(cursor)
        with desk.context.db.read() as tx:
            subject = answer(tx)
        messages = [Message("line", {"at": each.at, "task": each.task, "text": each.text}) for each in followed.lines]
        if followed.ended:
            messages.append(Message("end", subject))
        elif [subject] != told:
            told[:] = [subject]
            messages.append(Message("state", subject))
        return Piece(messages, followed.cursor, followed.ended)

    return read


def command_stream(desk: Desk, request: Request, id: str) -> StreamingResponse:
    def read(cursor: str | None) -> Piece:
        with desk.context.db.read() as tx:
            command = command_store.command_by_id(tx, id)
        assert command is not None, "the route found it"
        lines, offset = desk.follower.journal.read(id, whole_number(cursor or "") or 0)
        messages = [Message("line", {"at": each.at, "task": each.task, "text": each.text}) for each in lines]
        ended = command.state != "running" and not lines
        if ended:
            messages.append(Message("end", command_answer(command).model_dump(mode="json")))
        return Piece(messages, str(offset), ended)

    return stream(request, desk.context.bell, read)


def app_log_stream(
    desk: Desk, request: Request, service: Service, environment: Environment, *, tail: int, process: str | None
) -> StreamingResponse:
    """The app's lines from the last `tail` on, for ever."""
    name = stream_of(service.id, environment.id)

    def read(cursor: str | None) -> Piece:
        page = desk.driver.read_logs(name, cursor=cursor, tail=None if cursor else tail)
        messages = [Message("line", log_line(each)) for each in page.lines if matches(each, process)]
        return Piece(messages, page.cursor)

    return stream(request, desk.context.bell, read, poll=LOG_POLL_SECONDS)


def matches(line: LogLine, process: str | None) -> bool:
    """Whether a line is of `process` (`web`) or of one instance of it (`web.1`); None matches all."""
    return process is None or line.label == process or line.label.startswith(f"{process}.")


def log_line(line: LogLine) -> dict[str, str]:
    return {"at": rfc3339(line.at), "label": line.label, "instance": line.instance, "text": line.text}

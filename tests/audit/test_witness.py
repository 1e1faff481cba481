"""Witnesses get every new checkpoint in the end, however often they fail, and never one that is not signed."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from highroad.audit import store
from highroad.audit.sequencer import Sequencer
from highroad.audit.store import Witness
from highroad.audit.webhook import new_secret, sign
from highroad.audit.witness import Witnesses, about
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.kit.clock import now
from highroad.transparency import checkpoint, notes
from tests.audit.proof import append, sequencer_of

SECRET = new_secret(bytes(range(32)))


@dataclass
class Receiver:
    port: int = 0
    status: int = 204
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            made.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            self.send_response(made.status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def sequencer(db: Database, log: EventLog, tmp_path: Path) -> Sequencer:
    return sequencer_of(db, log, tmp_path / "data")


def witnesses_of(sequencer: Sequencer, tmp_path: Path) -> Witnesses:
    return Witnesses(sequencer, tmp_path / "data", "http://localhost", protocols="file")


def add(db: Database, kind: str, address: str, secret: str | None = None) -> None:
    with db.begin() as tx:
        sealed = tx.keyring.seal(secret, about=about("wit_1")) if secret else None
        store.add_witness(tx, Witness("wit_1", kind, address, sealed, 0, 0, None, now(), None, now()))


def only(db: Database) -> Witness:
    with db.read() as tx:
        return store.list_witnesses(tx)[0]


def test_a_webhook_gets_each_new_checkpoint_once_and_signed(
    db: Database, log: EventLog, sequencer: Sequencer, receiver: Receiver, tmp_path: Path
) -> None:
    add(db, "webhook", f"http://127.0.0.1:{receiver.port}/hook", SECRET)
    witnesses = witnesses_of(sequencer, tmp_path)
    for name in ("a", "b"):
        append(db, log, name)
        newest = sequencer.catch_up()
        witnesses.look()
        witnesses.look()
        headers, body = receiver.got[-1]
        stated, note = checkpoint.read(json.loads(body)["data"]["checkpoint"])
        assert stated.size == newest.size
        assert notes.public_key(json.loads(body)["data"]["key"]).signed(note)
        expected = sign(SECRET, headers["webhook-id"], int(headers["webhook-timestamp"]), body)
        assert headers["webhook-signature"] == expected
    assert len(receiver.got) == 2
    assert (only(db).size, only(db).failures) == (newest.size, 0)


def test_one_that_fails_is_asked_again_later_and_then_gets_the_newest(
    db: Database, log: EventLog, sequencer: Sequencer, receiver: Receiver, tmp_path: Path
) -> None:
    add(db, "webhook", f"http://127.0.0.1:{receiver.port}/", SECRET)
    receiver.status = 503
    sequencer.catch_up()
    for _ in range(3):
        witnesses_of(sequencer, tmp_path).look()
    assert len(receiver.got) == 1, "not before its time"
    failed = only(db)
    assert (failed.size, failed.failures) == (0, 1)
    assert failed.error
    assert "503" in failed.error
    assert timedelta(seconds=5) < failed.next_at - now() < timedelta(seconds=11)
    receiver.status = 200
    append(db, log, "a")
    newest = sequencer.catch_up()
    with db.begin() as tx:
        store.update_witness(tx, "wit_1", next_at=now())
    witnesses_of(sequencer, tmp_path).look()
    assert (only(db).size, only(db).failures, only(db).error) == (newest.size, 0, None)


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "witness.git"
    git("init", "--quiet", "--bare", "--initial-branch=main", str(place))
    return place


def test_a_repository_has_the_history_of_checkpoints(
    db: Database, log: EventLog, sequencer: Sequencer, repository: Path, tmp_path: Path
) -> None:
    add(db, "git", f"file://{repository}")
    sizes = []
    for name in ("a", "b", "c"):
        append(db, log, name)
        sizes.append(sequencer.catch_up().size)
        witnesses_of(sequencer, tmp_path).look()
        assert only(db).error is None
    subjects = git("-C", str(repository), "log", "--format=%s", "--reverse", "main").split("\n")[:-1]
    assert subjects == [f"Checkpoint of {size} events" for size in sizes]
    kept = git("-C", str(repository), "show", "main:checkpoint")
    assert checkpoint.read(kept)[0].size == sizes[-1]
    assert notes.public_key(git("-C", str(repository), "show", "main:key")) == sequencer.key.public


def test_a_clone_that_was_lost_is_made_again_and_history_goes_on(
    db: Database, log: EventLog, sequencer: Sequencer, repository: Path, tmp_path: Path
) -> None:
    add(db, "git", f"file://{repository}")
    sequencer.catch_up()
    witnesses_of(sequencer, tmp_path).look()
    (tmp_path / "data" / "audit").rename(tmp_path / "lost")
    append(db, log, "a")
    sequencer.catch_up()
    witnesses_of(sequencer, tmp_path).look()
    assert only(db).error is None
    assert git("-C", str(repository), "rev-list", "--count", "main").strip() == "2"


def test_a_repository_that_is_not_there_is_told(db: Database, sequencer: Sequencer, tmp_path: Path) -> None:
    add(db, "git", f"file://{tmp_path / 'nothing.git'}")
    sequencer.catch_up()
    witnesses_of(sequencer, tmp_path).look()
    assert only(db).failures == 1
    assert "git fetch" in (only(db).error or "")


def test_local_repositories_are_not_taken_outside_of_tests(
    db: Database, sequencer: Sequencer, repository: Path, tmp_path: Path
) -> None:
    add(db, "git", f"file://{repository}")
    sequencer.catch_up()
    Witnesses(sequencer, tmp_path / "data", "http://localhost").look()
    assert "not allowed" in (only(db).error or "")

"""Gives checkpoints to others, who then know if the log is ever rewritten: a webhook, or a Git repository.

Whoever has the database and the signing key can write another past and sign it, but cannot take back what a witness
saw. Each witness has a cursor in the database, the size of the last checkpoint it took; only the newest checkpoint is
sent, because it covers all before it. One that does not answer is asked again after ever longer times, and keeps
nobody else waiting longer than its own timeout. Called by the sequencer's thread after each look.
"""

from __future__ import annotations

import base64
import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

from highroad.audit import store
from highroad.audit.addresses import parse
from highroad.audit.sequencer import Sequencer
from highroad.audit.store import StoredCheckpoint, Witness
from highroad.audit.webhook import WebhookSender
from highroad.errors import HighroadError, Permanent, Temporary
from highroad.kit.clock import now, rfc3339

FIRST, LONGEST = timedelta(seconds=10), timedelta(hours=1)
WEBHOOK_SECONDS = 10.0
GIT_SECONDS = 60.0
TYPE = "dev.cdeventsx.highroad-auditlog.checkpoint.0.1.0"
Hand = Callable[[Witness, str | None, StoredCheckpoint], None]
logger = logging.getLogger(__name__)


class WitnessFailed(Temporary):
    """A witness did not take the checkpoint."""


class Witnesses:
    """`data` is the data directory; clones of repositories are kept in `audit` in it. `protocols` are those that git
    may speak: not that of local files, because the hooks and settings of another user's repository would be run."""

    def __init__(self, sequencer: Sequencer, data: Path, source: str, *, protocols: str = "https:http:ssh") -> None:
        self._sequencer, self._protocols = sequencer, protocols
        self._place, self._source = data / "audit", source
        self._kinds: Mapping[str, Hand] = {"webhook": self._post, "git": self._commit}

    def look(self) -> None:
        """Hand the newest checkpoint to every witness that has not got it and whose time has come."""
        db = self._sequencer.db
        instant = now()
        with db.read() as tx:
            newest = store.latest_checkpoint(tx)
            due = [each for each in store.list_witnesses(tx) if each.next_at <= instant]
            due = [each for each in due if newest is not None and each.size < newest.size]
            secrets = {
                each.id: tx.keyring.open(each.secret, about=about(each.id)) if each.secret else None for each in due
            }
        for each in due:
            assert newest is not None, "otherwise none is due"
            self._hand(each, secrets[each.id], newest)

    def _hand(self, witness: Witness, secret: str | None, newest: StoredCheckpoint) -> None:
        try:
            self._kinds[witness.kind](witness, secret, newest)
        except (Temporary, Permanent, HighroadError, OSError) as error:
            failures = witness.failures + 1
            later = min(FIRST * 2 ** min(failures - 1, 20), LONGEST)
            logger.warning("the witness %s did not take a checkpoint: %s", witness.id, error)
            values: dict[str, Any] = {"failures": failures, "error": str(error)[:500], "next_at": now() + later}
        else:
            instant = now()
            values = {"failures": 0, "error": None, "size": newest.size, "seen_at": instant, "next_at": instant}
        with self._sequencer.db.begin() as tx:
            store.update_witness(tx, witness.id, **values)

    def _post(self, witness: Witness, secret: str | None, newest: StoredCheckpoint) -> None:
        """The checkpoint as a CloudEvent, signed as Standard Webhooks say. Its id is the same when it is sent again."""
        key = self._sequencer.key.public
        event = {
            "specversion": "1.0",
            "id": f"checkpoint_{newest.size}",
            "source": self._source,
            "type": TYPE,
            "subject": key.name,
            "time": rfc3339(newest.time),
            "datacontenttype": "application/json",
            "data": {"checkpoint": newest.note, "size": newest.size, "root": newest.root, "key": str(key)},
        }
        with WebhookSender(
            parse(witness.address), "structured", (secret,) if secret else (), timeout=WEBHOOK_SECONDS
        ) as sender:
            sender.send(event, now())

    def _commit(self, witness: Witness, secret: str | None, newest: StoredCheckpoint) -> None:
        """A commit with the checkpoint as the file `checkpoint`, pushed to the branch main. History is the witness: it
        is never pushed by force."""
        clone = self._place / witness.id
        environ = _environ(secret) | {"GIT_ALLOW_PROTOCOL": self._protocols}
        if not (clone / ".git").is_dir():
            shutil.rmtree(clone, ignore_errors=True)
            self._place.mkdir(mode=0o700, exist_ok=True)
            _git(["init", "--quiet", "--initial-branch=main", str(clone)], self._place, environ)
            _git(["remote", "add", "origin", "--", witness.address], clone, environ)
        _git(["fetch", "--quiet", "origin"], clone, environ)
        known = _git(["for-each-ref", "--format=%(objectname)", "refs/remotes/origin/main"], clone, environ)
        if known:
            _git(["reset", "--quiet", "--hard", "refs/remotes/origin/main"], clone, environ)
        (clone / "checkpoint").write_text(newest.note)
        (clone / "key").write_text(f"{self._sequencer.key.public}\n")
        _git(["add", "--", "checkpoint", "key"], clone, environ)
        if _git(["status", "--porcelain"], clone, environ):
            _git(["commit", "--quiet", "--message", f"Checkpoint of {newest.size} events"], clone, environ)
        _git(["push", "--quiet", "origin", "HEAD:refs/heads/main"], clone, environ)


def about(id: str) -> str:
    """What a witness's secret is sealed for."""
    return f"witness:{id}"


def _environ(secret: str | None) -> dict[str, str]:
    """The environment of git: nobody's configuration, no prompt; `secret` as the header of HTTP requests. In variables,
    because arguments can be read by others."""
    names = ("PATH", "SSH_AUTH_SOCK", "HOME", "LANG")
    environ = {name: os.environ[name] for name in names if name in os.environ}
    environ |= {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
        "GIT_AUTHOR_NAME": "Highroad",
        "GIT_AUTHOR_EMAIL": "audit@highroad.invalid",
        "GIT_COMMITTER_NAME": "Highroad",
        "GIT_COMMITTER_EMAIL": "audit@highroad.invalid",
    }
    chosen = {"http.followRedirects": "false"}
    if secret:
        basic = base64.b64encode(f"highroad:{secret}".encode()).decode()
        chosen["http.extraHeader"] = f"Authorization: Basic {basic}"
    environ["GIT_CONFIG_COUNT"] = str(len(chosen))
    for number, (name, value) in enumerate(chosen.items()):
        environ |= {f"GIT_CONFIG_KEY_{number}": name, f"GIT_CONFIG_VALUE_{number}": value}
    return environ


def _git(arguments: list[str], place: Path, environ: Mapping[str, str]) -> str:
    command = ["git", "-c", "core.hooksPath=/dev/null", "-c", "commit.gpgsign=false", *arguments]
    try:
        done = subprocess.run(
            command, cwd=place, env=dict(environ), capture_output=True, text=True, check=False, timeout=GIT_SECONDS
        )
    except subprocess.TimeoutExpired as error:
        raise WitnessFailed(f"git {arguments[0]} took longer than {GIT_SECONDS:g} seconds") from error
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines() or ["it did not say why"]
        raise WitnessFailed(f"git {arguments[0]}: {words[-1][:300]}")
    return done.stdout.strip()

"""Bring an installation up and down on this machine, and make its first user. Called by `highroad up` and `down`."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import socket
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from highroad import __version__
from highroad.access import actions, store, token_actions, user_actions
from highroad.access.model import SCOPES, SYSTEM
from highroad.access.secrets import digest
from highroad.db import keys
from highroad.db.engine import Database, Transaction
from highroad.db.migrate import migrate
from highroad.drivers.process.program import Program, collector_program
from highroad.drivers.process.supervisor import Supervisor
from highroad.errors import Conflict, Unavailable
from highroad.events.log import EventLog
from highroad.kit.bell import Bell
from highroad.kit.ids import new_id
from highroad.routing import caddy
from highroad.sandbox import cgroups
from highroad.sealing import keychain
from highroad.sealing.keychain import Keychain
from highroad.settings import Settings, load
from highroad.web.access import link_url

OPERATOR = "operator@localhost"
READY_SECONDS = 60.0
TRIED_PORTS = 50
PASSED_ON = (
    "PATH",
    "LANG",
    "LC_ALL",
    "TZ",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
)
PASSED_ON_PREFIXES = ("PIP_", "UV_", "NPM_CONFIG_", "npm_config_")


class NotReady(Unavailable):
    code = "not-ready"
    title = "Highroad did not come up"


class NoPort(Conflict):
    code = "no-listening-port"
    title = "No port to listen on"


@dataclass(frozen=True, slots=True)
class Running:
    """An installation that is up. `moved_from` is the busy port that was asked for, if another one was taken."""

    settings: Settings
    sign_in_link: str
    started: bool
    moved_from: int | None


def up(settings: Settings, say: Callable[[str], None], environ: Mapping[str, str] = os.environ) -> Running:
    """Start what is not running, wait until it is ready, and return with a one-time sign-in link for the operator."""
    supervisor = Supervisor(settings)
    if supervisor.alive():
        # The router holds its port until `down`; another address that is wished for meanwhile needs that first.
        stored = load(settings.data, {})
        settings = replace(settings, port=stored.port, bind=stored.bind, domain=stored.domain)
    was_up = supervisor.alive() and answers(settings)
    moved_from = None
    if not was_up:
        settings, moved_from = _with_free_port(settings, supervisor)
    settings.make_directories()
    settings.save()
    link = prepare_operator(settings, environ)
    caddy.prepare(settings)
    for program in programs(settings, environ):
        supervisor.define(program)
    if supervisor.ensure():
        say("Starting Highroad")
    else:
        for program in programs(settings, environ):
            supervisor.add(program)
    _wait_until_ready(settings)
    return Running(settings, link, not was_up, moved_from)


def down(settings: Settings) -> bool:
    """Stop everything, apps included; they come back with the next `up`. False when nothing was running."""
    supervisor = Supervisor(settings)
    was_up = supervisor.alive()
    supervisor.shut_down()
    cgroups.clear(settings.data)
    return was_up


def programs(settings: Settings, environ: Mapping[str, str]) -> list[Program]:
    """The platform's own programs. Their environment is what they need, not what the shell happened to hold."""
    env = {key: value for key, value in environ.items() if key in PASSED_ON or key.startswith(PASSED_ON_PREFIXES)}
    home = {"HOME": str(settings.data)}
    router = caddy.program(settings)
    return [
        collector_program(settings),
        Program(
            name="router",
            command=("/usr/bin/env", "-C", str(router.directory), *router.command),
            env={**{key: env[key] for key in ("PATH",) if key in env}, **router.env},
            socket=(settings.bind, settings.port),
            priority=20,
        ),
        Program(
            name="control-plane",
            command=(sys.executable, "-m", "highroad.app", str(settings.data)),
            env={
                **env,
                **{key: environ[key] for key in keychain.VARIABLES if environ.get(key)},
                **home,
                "PYTHONUNBUFFERED": "1",
                "MALLOC_ARENA_MAX": "2",
                "HIGHROAD_CODE": _code(),
            },
            stop_grace=10.0,
            priority=30,
        ),
    ]


def _code() -> str:
    """Changes with the code, so that `up` after an upgrade replaces a control plane that runs the code of before."""
    package = Path(__file__).parent.parent
    newest = max(path.stat().st_mtime_ns for path in package.rglob("*.py"))
    return f"{__version__}-{newest}"


def answers(settings: Settings) -> bool:
    """Whether the control plane is ready, asked through the router as everybody does."""
    connection = http.client.HTTPConnection("127.0.0.1", settings.port, timeout=5)
    try:
        connection.request("GET", "/api/v1/health", headers={"Host": f"{settings.domain}:{settings.port}"})
        return connection.getresponse().status == 204
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _wait_until_ready(settings: Settings) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not answers(settings):
        if time.monotonic() > deadline:
            raise NotReady(
                f"Highroad did not answer within {READY_SECONDS:.0f} s.",
                next_step=f"See {settings.logs / 'control-plane.log'} and {settings.logs / 'router.log'}.",
            )
        time.sleep(0.03)


def _with_free_port(settings: Settings, supervisor: Supervisor) -> tuple[Settings, int | None]:
    """The wanted port, or the next free one."""
    if supervisor.alive():  # the router holds the port already
        return settings, None
    for port in range(settings.port, min(settings.port + TRIED_PORTS, 65_536)):
        with contextlib.closing(socket.socket()) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.bind, port))
            except PermissionError as error:
                raise NoPort(
                    f"Port {port} needs more rights than this user has.", next_step="Take one above 1023: --port 8080"
                ) from error
            except OSError:
                continue
        return replace(settings, port=port), settings.port if port != settings.port else None
    raise NoPort(
        f"{settings.bind} has no free port from {settings.port} on.", next_step="Name one: highroad up --port PORT"
    )


def prepare_operator(settings: Settings, environ: Mapping[str, str] = os.environ) -> str:
    """See to it that the operator exists, renew the token in `run/operator.json`, and return a sign-in link.

    Whoever can write the data directory owns the installation anyway; the file only saves them a password.
    """
    database = Database(settings.database_url)
    try:
        migrate(database)
        keys.check(database, Keychain(settings.data, environ))  # here it can be said; the first are made by `compose`
        log = EventLog(settings.url, Bell())
        with database.begin() as tx:
            found = store.user_by_email(tx, OPERATOR)
            user = (
                found[0]
                if found
                else store.add_user(tx, id=new_id("usr"), email=OPERATOR, name="Operator", role="owner")
            )
            token = _kept_token(settings, tx)
            if token is None:
                name = "operator of this machine"
                _, token = token_actions.issue_token(
                    tx, log, user, name=name, scopes=tuple(SCOPES), days=None, origin="system"
                )
            link = actions.make_link(tx, log, SYSTEM, user.id)
        file = settings.run / "operator.json"
        partial = file.with_name(f".operator.{secrets.token_hex(4)}")
        partial.touch(mode=0o600)
        partial.write_text(json.dumps({"url": settings.url, "token": token}) + "\n")
        partial.replace(file)
    finally:
        database.close()
    return link_url(settings, link)


def _kept_token(settings: Settings, tx: Transaction) -> str | None:
    """The token of the last `up`, if it is still good."""
    try:
        token = str(json.loads((settings.run / "operator.json").read_text())["token"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    found = store.token_by_digest(tx, digest(token))
    return token if found is not None and found[0].revoked_at is None else None


def sign_in_link(settings: Settings, email: str) -> str:
    """A one-time link for a user, made by whoever owns the data directory."""
    database = Database(settings.database_url)
    try:
        with database.begin() as tx:
            found = store.user_by_email(tx, email.strip().lower())
            if found is None:
                raise user_actions.NoSuchUser(f"{email[:80]} is not a user.", next_step="highroad users list")
            log = EventLog(settings.url, Bell())
            return link_url(settings, actions.make_link(tx, log, SYSTEM, found[0].id))
    finally:
        database.close()

"""A private PostgreSQL server for tests: its own directory, its own Unix socket, no TCP port, nothing kept.

Used by the fixtures in `tests/conftest.py`. The server refuses to run as root, so root starts it as another user.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import psycopg

_QUICK = (
    *("-c", "listen_addresses="),
    *("-c", "fsync=off"),
    *("-c", "full_page_writes=off"),
    *("-c", "synchronous_commit=off"),
    *("-c", "shared_buffers=16MB"),
    *("-c", "max_connections=60"),
)


def binaries() -> Path | None:
    """The directory of `initdb` and `postgres` with the highest version, or None when there is no server here."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda file: float(file.parts[-3]))
    return debian[-1].parent if debian else None


@contextmanager
def server(programs: Path) -> Iterator[str]:
    """A running server; gives the URL of its database `postgres`. Stopped and removed at the end."""
    # Not below pytest's directory: that is closed to the user the server runs as, and too long for a socket's path.
    home = Path(tempfile.mkdtemp(prefix="highroad-pg-"))
    user = _server_user()
    try:
        if user is not None:
            os.chown(home, *user)
        _run([programs / "initdb", "-D", home / "data", "-U", "highroad", "-A", "trust", "-N", "-E", "UTF8"], user)
        with (home / "log").open("wb") as log:
            arguments: list[str | Path] = [programs / "postgres", "-D", home / "data", "-k", home, *_QUICK]
            process = _start(arguments, user, log.fileno())
            try:
                url = f"postgresql://highroad@/postgres?host={home}"
                _wait_until_ready(url, process, home / "log")
                yield url
            finally:
                process.terminate()
                try:
                    process.wait(timeout=1)
                except subprocess.TimeoutExpired:  # a test left a connection open; an immediate shutdown cuts it off
                    process.kill()
                    process.wait()
    finally:
        shutil.rmtree(home)


@contextmanager
def database(server_url: str, *, template: str = "template1") -> Iterator[str]:
    """A new database on the server, dropped at the end: empty, or a copy of the database of that name."""
    url = create(server_url, template=template)
    try:
        yield url
    finally:
        drop(url)


def create(server_url: str, *, template: str = "template1") -> str:
    """The URL of a new database, empty or a copy of `template`; `drop` it afterwards."""
    name = f"test_{uuid4().hex[:12]}"
    with psycopg.connect(server_url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {template}".encode())
    return server_url.replace("/postgres?", f"/{name}?")


def drop(url: str) -> None:
    """Drop a database that `create` made, whoever is still connected to it."""
    name = name_of(url)
    with psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def name_of(url: str) -> str:
    """The database's name, as it can be a `template`."""
    return url.partition("@/")[2].partition("?")[0]


def _server_user() -> tuple[int, int] | None:
    """The uid and gid to run the server as; None for the user of the tests."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = names.get("postgres") or names["nobody"]
    return entry.pw_uid, entry.pw_gid


def _run(arguments: list[str | Path], user: tuple[int, int] | None) -> None:
    done = subprocess.run(
        arguments,
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        user=user[0] if user else None,
        group=user[1] if user else None,
        extra_groups=[] if user else None,
    )
    assert done.returncode == 0, done.stderr


def _start(arguments: list[str | Path], user: tuple[int, int] | None, log: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        arguments,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        user=user[0] if user else None,
        group=user[1] if user else None,
        extra_groups=[] if user else None,
    )


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"PostgreSQL did not come up:\n{log.read_text()}") from error
            time.sleep(0.02)
        else:
            return

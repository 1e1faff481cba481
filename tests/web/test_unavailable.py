"""The API while its database is locked, full or gone: a clear answer, nothing half-done, and everything well after."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import psycopg
from sqlalchemy import event, text

from tests.world import Api


def impatient(api: Api) -> None:
    """Its transactions wait a moment for a lock instead of a quarter of a minute."""

    @event.listens_for(api.db.engine, "checkout")
    def _shorten(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA busy_timeout = 100")


@contextlib.contextmanager
def locked(api: Api) -> Iterator[sqlite3.Connection]:
    other = sqlite3.connect(str(api.db.url.database), isolation_level=None, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    try:
        yield other
    finally:
        with contextlib.suppress(sqlite3.OperationalError):
            other.execute("ROLLBACK")
        other.close()


def names(api: Api) -> list[str]:
    return [each["name"] for each in api.admin.get("/projects").json()["items"]]


def test_a_write_waits_for_a_lock_and_is_then_carried_out(sqlite_api: Api) -> None:
    with locked(sqlite_api) as other:
        threading.Timer(0.5, lambda: other.execute("ROLLBACK")).start()
        assert sqlite_api.member.post("/projects", json={"name": "shop"}).status_code == 201


def test_a_write_that_waits_too_long_is_503_and_changes_nothing(sqlite_api: Api) -> None:
    impatient(sqlite_api)
    with locked(sqlite_api):
        answer = sqlite_api.member.post("/projects", json={"name": "shop"})
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    assert names(sqlite_api) == []
    assert sqlite_api.member.post("/projects", json={"name": "shop"}).status_code == 201


def test_a_key_of_a_request_that_failed_so_is_free_again(sqlite_api: Api) -> None:
    impatient(sqlite_api)
    key = {"Idempotency-Key": "once"}
    with locked(sqlite_api):
        assert sqlite_api.member.post("/projects", json={"name": "shop"}, headers=key).status_code == 503
    assert sqlite_api.member.post("/projects", json={"name": "shop"}, headers=key).status_code == 201


def test_reading_goes_on_while_nothing_can_be_written(sqlite_api: Api) -> None:
    impatient(sqlite_api)
    with locked(sqlite_api):
        assert sqlite_api.member.get("/projects").status_code == 200


def test_a_full_disk_is_507_with_what_to_do_and_reading_goes_on(sqlite_api: Api) -> None:
    sqlite_api.member.post("/projects", json={"name": "shop"})

    @event.listens_for(sqlite_api.db.engine, "checkout")
    def _fill(connection: Any, *_: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")  # SQLite makes of it the present size

    values = {f"KEY_{number}": "x" * 30_000 for number in range(50)}
    answer = sqlite_api.member.patch("/projects/shop/variables", json={"set": values})
    assert (answer.status_code, answer.json()["code"]) == (507, "disk-full")
    assert "Free space" in answer.json()["next_step"]
    assert sqlite_api.member.get("/projects/shop/variables").json()["items"] == []


def test_connections_that_were_cut_are_replaced(postgres_api: Api) -> None:
    assert postgres_api.member.post("/projects", json={"name": "before"}).status_code == 201
    url = postgres_api.db.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert postgres_api.member.post("/projects", json={"name": "after"}).status_code == 201


def test_a_server_that_is_gone_is_503_until_it_is_back(postgres_api: Api) -> None:
    name = postgres_api.db.url.database
    server = postgres_api.db.url.set(drivername="postgresql", database="postgres").render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as other:
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false'.encode())
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
        answer = postgres_api.member.post("/projects", json={"name": "shop"})
        other.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true'.encode())
    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    assert postgres_api.member.post("/projects", json={"name": "shop"}).status_code == 201
    with postgres_api.db.read() as tx:
        assert tx.execute(text("SELECT count(*) FROM projects")).scalar_one() == 1

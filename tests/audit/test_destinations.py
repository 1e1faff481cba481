"""Setting up where the audit log is sent on, by verbs and over HTTP, and what is delivered there."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update
from standardwebhooks import Webhook

from highroad.access.model import SYSTEM
from highroad.audit import destination_store as store
from highroad.audit import destinations
from highroad.audit.addresses import BadDestination
from highroad.audit.delivery import Delivery
from highroad.audit.destination_store import Destination
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.events.model import SERVICE_DEPLOYED, Event
from highroad.kit.clock import now, rfc3339
from highroad.sealing.keychain import KEY
from tests.audit.collectors import Receiver, receiver, udp_collector
from tests.world import MASTER_KEY, SOURCE, Api, People, actor_of, unlock_for_tests

Add = Callable[..., tuple[Destination, str]]


@pytest.fixture
def collector() -> Iterator[Receiver]:
    with receiver() as made:
        yield made


@pytest.fixture
def unlocked(db: Database) -> Database:
    unlock_for_tests(db)
    return db


@pytest.fixture
def add(unlocked: Database, log: EventLog, people: People) -> Add:
    def make(url: str, name: str = "siem", **values: Any) -> tuple[Destination, str]:
        with unlocked.begin() as tx:
            return destinations.create_destination(tx, log, actor_of(people.admin), name=name, url=url, **values)

    return make


@pytest.fixture
def delivery(unlocked: Database, log: EventLog) -> Iterator[Delivery]:
    made = Delivery(unlocked, log, "localhost", first_delay=0.01)
    yield made
    made.stop()


def happen(db: Database, log: EventLog, count: int = 1) -> list[str]:
    ids = []
    for _ in range(count):
        with db.begin() as tx:
            ids.append(log.append(tx, Event(SERVICE_DEPLOYED, "svc_1", {}), SYSTEM))
    return ids


def present(db: Database, id: str) -> Destination:
    with db.read() as tx:
        found = store.destination(tx, id)
    assert found is not None
    return found


# Setting up


def test_what_is_secret_is_sealed_and_what_is_shown_has_no_path(unlocked: Database, add: Add) -> None:
    made, secret = add("https://siem.example.com/in/very-secret?token=also", authorization="Splunk 1234")
    with unlocked.read() as tx:
        row = dict(tx.execute(select(store.destinations)).mappings().one())
        held = store.credentials(tx, made.id)
    assert made.shown == "https://siem.example.com:443"
    assert not [value for value in row.values() if "secret" in str(value) or "1234" in str(value)]
    assert (held.url, held.secrets, held.authorization) == (
        "https://siem.example.com/in/very-secret?token=also",
        (secret,),
        "Splunk 1234",
    )
    assert "1234" not in repr(held)
    assert secret not in repr(held)


@pytest.mark.parametrize(
    "values",
    [
        {"url": "https://169.254.169.254/"},
        {"url": "https://a.example.com", "format": "ocsf"},
        {"url": "syslog+udp://a.example.com", "authorization": "x"},
        {"url": "https://a.example.com", "authorization": "a\r\nb: c"},
        {"url": "https://a.example.com", "mode": "neither"},
    ],
)
def test_what_cannot_work_is_refused(add: Add, values: dict[str, str]) -> None:
    with pytest.raises(BadDestination):
        add(**values)


def test_a_name_is_taken_once(add: Add) -> None:
    add("syslog+udp://logs.example.com")
    with pytest.raises(destinations.NameTaken):
        add("syslog+udp://logs.example.com")


def test_a_new_secret_has_the_former_beside_it_for_a_day(
    unlocked: Database, log: EventLog, people: People, add: Add
) -> None:
    made, first = add("https://siem.example.com")
    with unlocked.begin() as tx:
        second = destinations.rotate_secret(tx, log, actor_of(people.admin), made.name)
        assert store.credentials(tx, made.id).secrets == (second, first)
        tx.execute(update(store.destinations).values(former_until=rfc3339(now() - timedelta(seconds=1))))
        assert store.credentials(tx, made.id).secrets == (second,)


def test_another_host_gets_neither_the_authorization_nor_the_secret_of_the_former_one(
    unlocked: Database, log: EventLog, people: People, add: Add
) -> None:
    made, first = add("https://siem.example.com/in", authorization="Splunk 1234")
    ada = actor_of(people.admin)
    with unlocked.begin() as tx:
        _, same = destinations.change_destination(tx, log, ada, made.id, {"url": "https://siem.example.com/other"})
        assert (same, store.credentials(tx, made.id).authorization) == ("", "Splunk 1234")
        _, fresh = destinations.change_destination(tx, log, ada, made.id, {"url": "https://evil.example.com/in"})
        held = store.credentials(tx, made.id)
    assert held.authorization == ""
    assert held.secrets == (fresh,) != (first,)


# Delivering


def test_what_happens_arrives_in_its_order_signed(
    unlocked: Database,
    log: EventLog,
    delivery: Delivery,
    collector: Receiver,
    add: Add,
) -> None:
    made, secret = add(collector.url)
    ids = happen(unlocked, log, 120)
    delivery.deliver(made)
    bodies = [Webhook(secret).verify(each.body, each.headers) for each in collector.requests]
    assert [each["id"] for each in bodies if each["type"] == SERVICE_DEPLOYED.name] == ids
    found = present(unlocked, made.id)
    assert (found.state, found.failures, found.delivered) == ("active", 0, len(bodies))
    delivery.deliver(found)
    assert len(collector.requests) == len(bodies), "nothing is sent twice"


def test_a_new_destination_gets_what_happens_from_now_on_or_everything(
    unlocked: Database,
    log: EventLog,
    delivery: Delivery,
    collector: Receiver,
    add: Add,
) -> None:
    earlier = happen(unlocked, log)
    delivery.deliver(add(collector.url, "now")[0])
    assert earlier[0] not in {each.headers["webhook-id"] for each in collector.requests}
    delivery.deliver(add(collector.url, "all", from_beginning=True)[0])
    assert earlier[0] in {each.headers["webhook-id"] for each in collector.requests}


def test_a_failure_is_shown_and_delivery_goes_on_from_there_later(
    unlocked: Database,
    log: EventLog,
    delivery: Delivery,
    collector: Receiver,
    add: Add,
) -> None:
    made, _ = add(collector.url)
    ids = happen(unlocked, log, 3)
    collector.answer = lambda request: (500 if request.headers["webhook-id"] == ids[1] else 200, {})
    delivery.deliver(made)
    failing = present(unlocked, made.id)
    assert (failing.failures, failing.state) == (1, "active")
    assert "answered 500" in failing.error
    assert failing.next_at is not None
    collector.answer = lambda _request: (200, {})
    delivery.deliver(failing)
    whole = present(unlocked, made.id)
    assert (whole.failures, whole.error, whole.next_at) == (0, "", None)
    got = [each.headers["webhook-id"] for each in collector.requests]
    assert [id for id in got if id in ids] == [ids[0], ids[1], ids[1], ids[2]]


def test_delays_grow_and_the_receivers_own_wish_counts(
    unlocked: Database,
    log: EventLog,
    delivery: Delivery,
    collector: Receiver,
    add: Add,
) -> None:
    made, _ = add(collector.url)
    happen(unlocked, log)
    collector.answer = lambda _request: (503, {"retry-after": "100"})
    delivery.deliver(made)
    waiting = present(unlocked, made.id)
    assert waiting.next_at is not None
    assert timedelta(seconds=90) < waiting.next_at - now() <= timedelta(seconds=100)
    assert delivery._delay(0, RuntimeError()) < delivery._delay(5, RuntimeError()) < delivery._delay(10, RuntimeError())
    assert Delivery(unlocked, log, "localhost")._delay(1000, RuntimeError()) <= 720


def test_a_receiver_that_is_gone_gets_nothing_more_until_it_is_resumed(
    unlocked: Database,
    log: EventLog,
    people: People,
    delivery: Delivery,
    collector: Receiver,
    add: Add,
) -> None:
    made, _ = add(collector.url)
    happen(unlocked, log)
    collector.answer = lambda _request: (410, {})
    delivery.deliver(made)
    assert present(unlocked, made.id).state == "refused"
    with unlocked.begin() as tx:
        assert store.due(tx, 10**9, now()) == []
        destinations.change_destination(tx, log, actor_of(people.admin), made.id, {"state": "active"})
        assert [each.id for each in store.due(tx, 10**9, now())] == [made.id]


def test_a_dead_destination_keeps_no_other_one_waiting(
    unlocked: Database,
    log: EventLog,
    delivery: Delivery,
    collector: Receiver,
    add: Add,
) -> None:
    with receiver() as stuck:
        held = threading.Event()
        stuck.answer = lambda _request: (200 if held.wait(10) else 500, {})
        add(stuck.url, "stuck")
        add(collector.url, "well")
        ids = happen(unlocked, log)
        delivery.look()
        collector.wait_for(lambda got: ids[0] in {each.headers["webhook-id"] for each in got})
        held.set()
        stuck.wait_for(bool)


def test_what_was_taken_while_it_stopped_is_noted(
    unlocked: Database, log: EventLog, delivery: Delivery, collector: Receiver, add: Add
) -> None:
    asked = threading.Event()

    def slow(_request: object) -> tuple[int, dict[str, str]]:
        asked.set()
        delivery._stopping.wait(10)
        return 200, {}

    collector.answer = slow
    made, _ = add(collector.url)
    happen(unlocked, log, 3)
    delivery.look()
    assert asked.wait(10)
    delivery.stop()
    assert present(unlocked, made.id).delivered == len(collector.requests) == 1


def test_syslog_gets_ocsf_when_it_is_asked_for(unlocked: Database, log: EventLog, delivery: Delivery, add: Add) -> None:
    with udp_collector() as syslog:
        made, secret = add(f"syslog+udp://127.0.0.1:{syslog.port}", format="ocsf")
        happen(unlocked, log)
        delivery.deliver(made)
        got = syslog.wait_for(lambda got: len(got) >= 1)
    assert secret == ""
    assert json.loads(got[-1].partition(b"\xef\xbb\xbf")[2])["class_uid"] in (3004, 6003)


_PROGRAM = """
import sys, threading
from highroad.audit.delivery import Delivery
from highroad.db.engine import Database
from highroad.events.log import EventLog
from highroad.kit.bell import Bell
from highroad.db.keys import unlock
from highroad.sealing.keychain import Keychain
from pathlib import Path
db = Database(sys.argv[1])
unlock(db, Keychain(Path("/nonexistent")))
Delivery(db, EventLog("http://localhost", Bell()), "localhost", first_delay=0.05).start()
print("up", flush=True)
threading.Event().wait()
"""


@contextmanager
def running(database_url: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that delivers."""
    path = os.pathsep.join(each for each in sys.path if each)
    env = {**os.environ, "PYTHONPATH": path, KEY: base64.b64encode(MASTER_KEY).decode()}
    process = subprocess.Popen([sys.executable, "-c", _PROGRAM, database_url], env=env)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_after_a_kill_nothing_is_missing(
    unlocked: Database, log: EventLog, database_url: str, collector: Receiver, add: Add
) -> None:
    add(collector.url)
    ids = happen(unlocked, log, 130)

    with running(database_url) as first:
        collector.wait_for(lambda got: len(got) >= 70)
        first.send_signal(signal.SIGKILL)
    with running(database_url):
        collector.wait_for(lambda got: ids[-1] in {each.headers["webhook-id"] for each in got})
    got = [each.headers["webhook-id"] for each in collector.requests]
    assert [id for id in dict.fromkeys(got) if id in ids] == ids, "in their order, each at least once"


# Over HTTP


def test_a_destination_is_added_tried_paused_and_removed(api: Api, collector: Receiver) -> None:
    made = api.admin.post("/audit/destinations", json={"name": "siem", "url": collector.url}).json()
    assert made["secret"].startswith("whsec_")
    assert "secret" not in api.admin.get("/audit/destinations/siem").json()
    assert api.admin.post("/audit/destinations/siem/test").json()["delivered"] is True
    assert Webhook(made["secret"]).verify(collector.requests[0].body, collector.requests[0].headers)
    assert api.admin.patch("/audit/destinations/siem", json={"state": "paused"}).json()["state"] == "paused"
    assert api.admin.post("/audit/destinations/siem/secret").json()["secret"] != made["secret"]
    assert api.admin.delete("/audit/destinations/siem").status_code == 204
    assert api.admin.get("/audit/destinations").json()["items"] == []
    told = api.admin.get("/audit/events", params={"type": "destination"}).json()["items"]
    assert [each["what"].partition(".")[2] for each in told][::-1] == [
        "created",
        "tested",
        "modified",
        "modified",
        "deleted",
    ]


def test_a_test_that_fails_says_why(api: Api) -> None:
    api.admin.post("/audit/destinations", json={"name": "siem", "url": "http://127.0.0.1:1/"})
    answer = api.admin.post("/audit/destinations/siem/test").json()
    assert answer["delivered"] is False
    assert "cannot be reached" in answer["error"]


def test_no_secret_is_in_the_events_of_it(api: Api) -> None:
    url = "https://siem.example.com/very-secret"
    made = api.admin.post("/audit/destinations", json={"name": "siem", "url": url, "authorization": "Token abc-key"})
    api.admin.patch("/audit/destinations/siem", json={"authorization": "Token def-key", "url": f"{url}-too"})
    text = api.admin.get("/audit/export", params={"format": "cloudevents"}).text
    assert made.status_code == 201
    assert not [each for each in ("very-secret", "abc-key", "def-key", made.json()["secret"]) if each in text]


def test_members_neither_see_nor_change_destinations(api: Api) -> None:
    assert api.member.get("/audit/destinations").status_code == 403
    assert api.member.post("/audit/destinations", json={"name": "x", "url": SOURCE}).status_code == 403

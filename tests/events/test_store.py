"""The log's table: written with its cause, read in order, never with a gap."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

import pytest

from highroad.access.model import SYSTEM, Actor
from highroad.audit.store import retentions
from highroad.db.engine import Database
from highroad.events import model as types
from highroad.events import store
from highroad.events.log import EventLog, cloud_event
from highroad.events.model import Event, Recorded
from tests.events.cdevents import require_cloudevent
from tests.world import SOURCE

TEXTS = dict.fromkeys(("root", "time", "policy", "event_id", "note"), "")


class Refused(Exception):
    pass


def append(db: Database, log: EventLog, name: str, *, project: str | None = None) -> None:
    with db.begin() as tx:
        log.append(tx, Event(types.PROJECT_CREATED, name, {"name": name}, project=project), SYSTEM)


def read(db: Database, after: int = 0, **filters: str) -> list[Recorded]:
    with db.read() as tx:
        return store.read(tx, after=after, limit=500, **filters)


def test_an_event_is_a_cdevent_in_a_cloudevent(db: Database, log: EventLog) -> None:
    event = Event(
        types.SERVICE_DEPLOYED,
        "svc_1",
        {"environment": {"id": "env_1"}, "artifactId": types.package_url("shop", "web", "c0ffee", "sha256:1")},
        project="shop",
        service="web",
        environment="production",
        chain="run_1",
        custom={"deployment": "dep_1"},
    )
    with db.begin() as tx:
        id = log.append(tx, event, Actor("usr_1", "ada@example.com", "user", "cli"))
    last = read(db)[-1]
    envelope = cloud_event(last)
    require_cloudevent(envelope)
    assert (envelope["id"], envelope["source"], envelope["cursor"]) == (id, SOURCE, str(last.seq))
    assert last.data["context"]["chainId"] == "run_1"  # type: ignore[index]  # JSON
    assert last.data["customData"] == {
        "actor": "ada@example.com",
        "origin": "cli",
        "project": "shop",
        "service": "web",
        "environment": "production",
        "deployment": "dep_1",
    }


def test_a_path_becomes_an_address_of_this_installation(db: Database, log: EventLog) -> None:
    for uri in ("/git/shop/web.git", "https://elsewhere.example/repo"):
        with db.begin() as tx:
            log.append(tx, Event(types.REPOSITORY_CREATED, "svc_1", {"name": "web", "uri": uri}), SYSTEM)
    contents = [cloud_event(each)["data"]["subject"]["content"] for each in read(db)[-2:]]  # type: ignore[index]
    assert [each["uri"] for each in contents] == [f"{SOURCE}/git/shop/web.git", "https://elsewhere.example/repo"]


def test_an_event_is_gone_with_the_transaction_that_caused_it(db: Database, log: EventLog) -> None:
    before, rung = read(db), log.bell.rung

    def fail() -> None:
        with db.begin() as tx:
            log.append(tx, Event(types.PROJECT_CREATED, "prj_1"), SYSTEM)
            raise Refused

    with pytest.raises(Refused):
        fail()
    assert read(db) == before
    assert log.bell.rung == rung


def test_followers_are_woken_after_the_commit(db: Database, log: EventLog) -> None:
    rung = log.bell.rung
    with db.begin() as tx:
        log.append(tx, Event(types.PROJECT_CREATED, "prj_1"), SYSTEM)
        assert log.bell.rung == rung
    assert log.bell.rung == rung + 1


def test_events_are_read_behind_a_cursor_and_by_project_and_type(db: Database, log: EventLog) -> None:
    start = read(db)[-1].seq
    append(db, log, "a", project="shop")
    append(db, log, "b")
    assert [each.subject for each in read(db, after=start)] == ["a", "b"]
    assert [each.subject for each in read(db, project="shop")] == ["a"]
    assert [each.subject for each in read(db, type_prefix="dev.cdeventsx.highroad-project.")] == ["a", "b"]
    assert read(db, type_prefix="dev%") == []


def test_the_newest_are_given_oldest_first(db: Database, log: EventLog) -> None:
    for name in "abc":
        append(db, log, name)
    with db.read() as tx:
        assert [each.subject for each in store.latest(tx, limit=2)] == ["b", "c"]


def test_a_number_never_comes_again_even_when_the_newest_events_were_deleted(db: Database, log: EventLog) -> None:
    append(db, log, "a")
    newest = read(db)[-1].seq
    with db.begin() as tx:
        tx.execute(retentions.insert().values(end=9, count=9, through_seq=newest, **TEXTS))  # else none can be deleted
        tx.execute(store.events.delete())
    append(db, log, "b")
    assert read(db)[-1].seq > newest


def test_a_follower_misses_nothing_while_many_write_at_once(db: Database, log: EventLog) -> None:
    """Numbers are given out before they are committed: without an order of commits, a reader would pass some by."""
    start, writers, each = read(db)[-1].seq, 6, 15
    done = threading.Event()
    followed: list[str] = []

    def write(number: int) -> None:
        for count in range(each):
            with db.begin() as tx:
                log.append(tx, Event(types.PROJECT_CREATED, f"{number}-{count}"), SYSTEM)
                time.sleep(0.002 * (number % 3))  # transactions of different lengths overlap

    def follow() -> None:
        cursor = start
        while True:
            last_look = done.is_set()
            found = read(db, after=cursor)
            followed.extend(event.subject for event in found)
            cursor = found[-1].seq if found else cursor
            if last_look and not found:
                return

    follower = threading.Thread(target=follow)
    threads = [threading.Thread(target=write, args=[number]) for number in range(writers)]
    for thread in [follower, *threads]:
        thread.start()
    for thread in threads:
        thread.join()
    done.set()
    follower.join()
    assert sorted(followed) == sorted(f"{number}-{count}" for number in range(writers) for count in range(each))


def test_the_longest_names_fit(db: Database, log: EventLog) -> None:
    branch = "b" * 255
    with db.begin() as tx:
        who = Actor("usr_1", "x" * 254, "user", "git")
        event = Event(types.BRANCH_CREATED, branch, project="p" * 63, service="s" * 63, environment="e" * 63)
        log.append(tx, event, who)
    assert read(db)[-1].subject == branch


def test_what_is_known_of_the_one_who_did_it_is_kept(db: Database, log: EventLog) -> None:
    who = Actor("usr_1", "ada@example.com", "user", "cli", token="tok_1", address="10.0.0.1", request="req_1")
    with db.begin() as tx:
        log.append(tx, Event(types.PROJECT_CREATED, "prj_1"), who)
    last = read(db)[-1]
    known = (last.actor_id, last.actor_kind, last.token, last.address, last.request)
    assert known == ("usr_1", "user", "tok_1", "10.0.0.1", "req_1")


@dataclass(frozen=True, slots=True)
class Last:
    action: str = "deployment:write"
    policy: str = "role-deployer"


@dataclass(frozen=True, slots=True)
class Decisions:
    last: Last | None


@dataclass(frozen=True, slots=True)
class Somebody:
    name: str = "ada@example.com"
    origin: str = "git"
    decisions: Decisions = field(default_factory=lambda: Decisions(Last()))


def test_the_decision_and_its_policy_are_kept(db: Database, log: EventLog) -> None:
    with db.begin() as tx:
        log.append(tx, Event(types.PROJECT_CREATED, "prj_1"), Somebody())
        log.append(tx, Event(types.PROJECT_CREATED, "prj_2"), Somebody(decisions=Decisions(None)))
    decided, undecided = read(db)[-2:]
    assert (decided.action, decided.decision, decided.policy) == ("deployment:write", "allowed", "role-deployer")
    assert (undecided.action, undecided.decision, undecided.policy) == (None, None, None)
    assert decided.actor_id is None


def test_a_change_is_told_as_before_and_after(db: Database, log: EventLog) -> None:
    with db.begin() as tx:
        log.append(
            tx, Event(types.USER_MODIFIED, "usr_1", diff={"role": ("member", "admin"), "note": (None, "x")}), SYSTEM
        )
    custom = cloud_event(read(db)[-1])["data"]["customData"]  # type: ignore[index]  # JSON
    assert custom["before"] == {"role": "member", "note": None}
    assert custom["after"] == {"role": "admin", "note": "x"}
    require_cloudevent(cloud_event(read(db)[-1]))


def test_what_is_too_long_for_an_event_is_left_out_and_says_so(db: Database, log: EventLog) -> None:
    event = Event(types.PROJECT_CREATED, "prj_1", {"name": "shop"}, custom={"plan": ["x" * 100] * 2000, "kept": "yes"})
    with db.begin() as tx:
        log.append(tx, event, SYSTEM)
    last = read(db)[-1]
    custom = last.data["customData"]
    assert isinstance(custom, dict)
    assert custom["plan"].startswith("208000 bytes were left out of this event (sha256:")
    assert custom["kept"] == "yes"
    assert len(str(last.data)) < store.LARGEST

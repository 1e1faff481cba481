"""What every driver promises, held by the in-memory twin and by real processes under a real supervisord."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from highroad.drivers.contract import InstanceSpec, Observed
from highroad.drivers.errors import BadCursor
from highroad.errors import Permanent
from highroad.sandbox.run import never
from highroad.workload.model import Health
from tests.drivers.conftest import OUTPUT, free_port, wait

if TYPE_CHECKING:
    from tests.drivers.conftest import Target

HTTP = Health("http")


def seen(target: Target, instance_id: str) -> Observed:
    return target.driver.observe([instance_id])[instance_id]


def test_it_says_what_it_can_do(target: Target) -> None:
    abilities = target.driver.abilities()
    assert abilities.name in ("memory", "process")
    assert abilities.isolation


def test_a_started_instance_runs(target: Target) -> None:
    spec = target.spec("sleeps")
    target.driver.start(spec)
    observed = seen(target, spec.id)
    assert (observed.state, observed.restarts) == ("running", 0)
    assert observed.pid is not None
    assert observed.since is not None


def test_an_unknown_instance_is_missing_and_unhealthy(target: Target) -> None:
    spec = target.spec("serves", port=1)
    assert seen(target, spec.id) == Observed(spec.id, "missing")
    assert target.driver.check(spec, HTTP).why == "not started"


def test_observing_nothing_in_particular_gives_all(target: Target) -> None:
    specs = [target.spec("sleeps"), target.spec("sleeps")]
    for spec in specs:
        target.driver.start(spec)
    assert {spec.id for spec in specs} == set(target.driver.observe())
    assert target.driver.observe([]) == {}


def test_starting_twice_is_starting_once(target: Target) -> None:
    spec = target.spec("sleeps")
    target.driver.start(spec)
    pid = seen(target, spec.id).pid
    target.driver.start(spec)
    assert seen(target, spec.id).pid == pid


def test_a_stopped_instance_is_gone_and_stopping_again_is_nothing(target: Target) -> None:
    spec = target.spec("sleeps")
    target.driver.start(spec)
    target.driver.stop(spec.id, grace=5)
    assert seen(target, spec.id).state == "missing"
    target.driver.stop(spec.id, grace=5)


def test_a_stopped_instance_can_be_started_again(target: Target) -> None:
    spec = target.spec("speaks")
    for count in (3, 6, 9):
        target.driver.start(spec)
        target.lines(spec, count)
        target.driver.stop(spec.id, grace=5)
    assert [line.text for line in target.lines(spec, 9)] == ["one", "two", "three"] * 3


def test_an_instance_that_answers_is_healthy(target: Target) -> None:
    spec = target.spec("serves", port=free_port())
    target.driver.start(spec)
    wait(lambda: target.driver.check(spec, HTTP).healthy)
    assert target.driver.check(spec, Health("tcp")).healthy


def test_an_instance_that_answers_badly_is_not_healthy_and_says_so(target: Target) -> None:
    spec = target.spec("refuses", port=free_port())
    target.driver.start(spec)
    wait(lambda: target.driver.check(spec, HTTP).why == "GET / answered 503")


def test_without_a_check_running_is_healthy(target: Target) -> None:
    spec = target.spec("refuses", port=free_port())
    target.driver.start(spec)
    assert target.driver.check(spec, Health("none")).healthy


def test_a_crash_loop_backs_off_and_is_given_up_with_its_reason(target: Target) -> None:
    spec = target.spec("crashes")
    target.driver.start(spec)
    wait(lambda: seen(target, spec.id).state == "backing-off")
    assert target.driver.check(spec, Health("none")).why == "exited with code 3"
    wait(lambda: seen(target, spec.id).state == "given-up")
    given_up = seen(target, spec.id)
    assert (given_up.why, given_up.pid) == ("exited with code 3", None)
    assert given_up.restarts > 0


def test_a_given_up_instance_can_be_stopped(target: Target) -> None:
    spec = target.spec("crashes")
    target.driver.start(spec)
    wait(lambda: seen(target, spec.id).state == "given-up")
    target.driver.stop(spec.id, grace=5)
    assert seen(target, spec.id).state == "missing"


def test_lines_carry_time_label_and_instance(target: Target) -> None:
    spec = target.spec("speaks", label="worker.2")
    target.driver.start(spec)
    lines = target.lines(spec, 3)
    assert [line.text for line in lines] == ["one", "two", "three"]
    assert {(line.label, line.instance) for line in lines} == {("worker.2", spec.id)}
    assert list(lines) == sorted(lines, key=lambda line: line.at)


def test_a_cursor_reads_on_where_the_page_ended(target: Target) -> None:
    spec = target.spec("speaks")
    target.driver.start(spec)
    target.lines(spec, 3)
    first = target.driver.read_logs(spec.stream, limit=2)
    rest = target.driver.read_logs(spec.stream, cursor=first.cursor)
    end = target.driver.read_logs(spec.stream, cursor=rest.cursor)
    assert [line.text for line in first.lines + rest.lines] == ["one", "two", "three"]
    assert (end.lines, end.cursor, end.dropped) == ((), rest.cursor, False)


def test_a_tail_ends_at_the_end(target: Target) -> None:
    spec = target.spec("speaks")
    target.driver.start(spec)
    target.lines(spec, 3)
    page = target.driver.read_logs(spec.stream, tail=2)
    assert [line.text for line in page.lines] == ["two", "three"]
    assert target.driver.read_logs(spec.stream, cursor=page.cursor).lines == ()


def test_a_stream_that_nobody_wrote_is_empty_and_can_be_followed(target: Target) -> None:
    spec = target.spec("speaks")
    page = target.driver.read_logs(spec.stream, tail=10)
    assert page.lines == ()
    target.driver.start(spec)
    target.lines(spec, 3)
    followed = target.driver.read_logs(spec.stream, cursor=page.cursor)
    assert len(followed.lines) == 3
    assert not followed.dropped


def test_a_wrong_cursor_is_refused(target: Target) -> None:
    spec = target.spec("speaks")
    target.driver.start(spec)
    target.lines(spec, 3)
    with pytest.raises(BadCursor):
        target.driver.read_logs(spec.stream, cursor="yesterday")


def test_forgotten_logs_are_gone(target: Target) -> None:
    spec = target.spec("speaks")
    target.driver.start(spec)
    target.lines(spec, 3)
    target.driver.stop(spec.id, grace=5)
    target.driver.forget_logs(spec.stream)
    assert target.driver.read_logs(spec.stream).lines == ()


def test_a_one_off_gives_its_output_and_exit_code(target: Target) -> None:
    said: list[bytes] = []
    finished = target.driver.run(target.spec("fails"), said.append, seconds=20, cancelled=never)
    assert (finished.exit_code, finished.why) == (4, "exit code 4")
    assert b"".join(said) == b"oops\n"


def test_a_one_off_can_be_cancelled(target: Target) -> None:
    said: list[bytes] = []
    finished = target.driver.run(target.spec("hangs"), said.append, seconds=20, cancelled=lambda: bool(said))
    assert (finished.exit_code, finished.why) == (None, "killed: cancelled")


def test_a_one_off_has_its_time(target: Target) -> None:
    finished = target.driver.run(target.spec("hangs"), lambda _: None, seconds=0.5, cancelled=never)
    assert (finished.exit_code, finished.why) == (None, "killed: took longer than 0.5 s")


def test_recovering_starts_what_is_missing_and_ends_what_is_not_wanted(target: Target) -> None:
    kept, unwanted, missing = (target.spec("sleeps") for _ in range(3))
    target.driver.start(kept)
    target.driver.start(unwanted)
    pid = seen(target, kept.id).pid
    target.driver.recover(lambda: [kept, missing])
    states = {name: each.state for name, each in target.driver.observe([kept.id, unwanted.id, missing.id]).items()}
    assert states == {kept.id: "running", unwanted.id: "missing", missing.id: "running"}
    assert seen(target, kept.id).pid == pid


def test_a_one_off_that_never_stops_writing_is_ended(target: Target) -> None:
    said: list[bytes] = []
    finished = target.driver.run(target.spec("floods"), said.append, seconds=20, cancelled=never)
    assert (finished.exit_code, finished.why) == (None, "killed: wrote more than 1 MiB of output")
    assert sum(map(len, said)) == OUTPUT


def test_recovering_leaves_alone_what_was_stopped_meanwhile(target: Target) -> None:
    stopped = target.spec("sleeps")
    answers = iter([[stopped]])
    target.driver.recover(lambda: next(answers, []))
    assert seen(target, stopped.id).state == "missing"


def test_recovering_leaves_alone_what_was_started_meanwhile(target: Target) -> None:
    begun = target.spec("sleeps")
    target.driver.start(begun)
    answers = iter([list[InstanceSpec]()])
    target.driver.recover(lambda: next(answers, [begun]))
    assert seen(target, begun.id).state == "running"


def test_one_instance_that_cannot_start_keeps_no_other_from_recovering(target: Target) -> None:
    specs = sorted((target.spec("sleeps") for _ in range(3)), key=lambda spec: spec.id)
    bad = target.break_(specs[0])
    with pytest.raises(Permanent, match=bad.id):
        target.driver.recover(lambda: [bad, *specs[1:]])
    assert [seen(target, spec.id).state for spec in specs] == ["missing", "running", "running"]


def test_what_a_one_off_prints_can_be_fed_into_its_stream(target: Target) -> None:
    spec = target.spec("fails")
    with target.driver.logged(spec) as feed:
        target.driver.run(spec, feed, seconds=20, cancelled=never)
        feed(b"no end of line")
    lines = wait(lambda: len(found := target.driver.read_logs(spec.stream).lines) == 2 and found)
    assert [(line.label, line.text) for line in lines] == [(spec.label, "oops"), (spec.label, "no end of line")]


SECRET = "hunter2-is-long"


def test_secrets_of_an_instance_are_masked_in_its_log(target: Target) -> None:
    spec = target.spec("tells", env={"TOLD": SECRET}, secrets=(SECRET,))
    target.driver.start(spec)
    assert [line.text for line in target.lines(spec, 2)] == ["***", "***"]


def test_secrets_are_masked_in_what_a_one_off_emits(target: Target) -> None:
    said: list[bytes] = []
    target.driver.run(target.spec("tells once", secrets=(SECRET,)), said.append, seconds=20, cancelled=never)
    assert b"".join(said) == b"***\n"


def test_secrets_are_masked_in_what_is_fed_into_a_stream(target: Target) -> None:
    spec = target.spec("sleeps", secrets=(SECRET,))
    with target.driver.logged(spec) as feed:
        feed(b"hunter2-")
        feed(b"is-long\n")
    assert [line.text for line in target.lines(spec, 1)] == ["***"]


def test_secrets_are_masked_in_why_a_check_failed(target: Target) -> None:
    spec = target.spec("tells", env={"TOLD": SECRET}, secrets=(SECRET,))
    target.driver.start(spec)
    health = Health("command", command="echo it says $TOLD; exit 1")
    wait(lambda: "it says ***" in target.driver.check(spec, health).why)


def test_secrets_are_masked_in_errors_and_their_causes(target: Target) -> None:
    spec = target.break_(target.spec("sleeps", secrets=("such directory", "such/artifact")))
    with pytest.raises(Permanent) as raised:
        target.driver.start(spec)
    assert "***" in str(raised.value)
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


def test_a_spec_does_not_print_what_it_holds(target: Target) -> None:
    spec = target.spec("sleeps", env={"TOLD": SECRET}, secrets=(SECRET,))
    assert SECRET not in repr(spec)

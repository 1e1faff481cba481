"""What only the twin can do: fail on demand, and remember what was asked of it."""

from __future__ import annotations

import pytest

from highroad.drivers.contract import InstanceSpec
from highroad.drivers.memory import MemoryDriver, Script
from highroad.errors import Temporary
from highroad.workload.model import Health

SPEC = InstanceSpec(id="ins_1", stream="s", label="web.1", command="serve", artifact="/nowhere")


def test_a_failure_is_raised_once_and_then_the_verb_works() -> None:
    driver = MemoryDriver()
    driver.failures["start"].append(Temporary("engine away"))
    with pytest.raises(Temporary):
        driver.start(SPEC)
    driver.start(SPEC)
    assert driver.calls == [("start", "ins_1"), ("start", "ins_1")]


def test_a_script_decides_whether_a_version_becomes_healthy() -> None:
    driver = MemoryDriver({"serve": Script(unhealthy="GET / answered 500")})
    driver.start(SPEC)
    assert driver.check(SPEC, Health("http")).why == "GET / answered 500"


def test_a_crash_in_the_middle_is_seen() -> None:
    driver = MemoryDriver()
    driver.start(SPEC)
    driver.crash("ins_1", "killed: out of memory (limit 512 MiB)")
    assert driver.observe()["ins_1"].why == "killed: out of memory (limit 512 MiB)"


def test_lines_beyond_what_is_kept_are_dropped_and_told() -> None:
    driver = MemoryDriver(kept=2)
    driver.start(SPEC)
    driver.say("ins_1", "a")
    cursor = driver.read_logs("s").cursor
    for text in "bcd":
        driver.say("ins_1", text)
    page = driver.read_logs("s", cursor=cursor)
    assert [line.text for line in page.lines] == ["c", "d"]
    assert page.dropped

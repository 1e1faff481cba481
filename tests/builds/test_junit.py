from __future__ import annotations

import pytest

from highroad.builds.junit import LARGEST, BadReport, TestCase, read_junit

PYTEST = b"""<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" tests="4">
<testcase classname="tests.test_a" name="test_ok" time="0.25" />
<testcase classname="tests.test_a" name="test_no" time="0.001"><failure message="assert 1 == 2">def test_no():
&gt;   assert 1 == 2</failure></testcase>
<testcase classname="tests.test_a" name="test_skip" time="0"><skipped message="later">x</skipped></testcase>
<testcase classname="tests.test_a" name="test_setup" time="0"><error message="failed on setup">boom</error></testcase>
</testsuite></testsuites>"""


def test_every_outcome_is_read_with_its_message() -> None:
    run = read_junit(PYTEST)
    assert [case.outcome for case in run.cases] == ["passed", "failed", "skipped", "error"]
    assert run.cases[0] == TestCase("tests.test_a", "test_ok", 0.25, "passed")
    assert run.cases[1].message.startswith("assert 1 == 2def test_no():\n>   assert")
    assert run.summary == "1 passed, 1 skipped, 1 failed, 1 error"
    assert run.complete
    assert run.seconds == pytest.approx(0.251)


def test_the_suite_names_a_case_without_a_class() -> None:
    run = read_junit(b'<testsuites><testsuite name="math"><testsuite name="add"><testcase name="one" time="1,234.5"/>'
                     b"</testsuite></testsuite></testsuites>")  # fmt: skip
    assert run.cases == (TestCase("add", "one", 1234.5, "passed"),)


def test_a_report_that_ends_in_the_middle_gives_what_was_before() -> None:
    run = read_junit(PYTEST[: PYTEST.index(b'name="test_skip"')])
    assert len(run.cases) == 2
    assert not run.complete


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not xml",
        b'<!DOCTYPE x [<!ENTITY a "b">]><testsuite><testcase name="&a;"/></testsuite>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><testsuite/>',
        b"<a>" * 200,
    ],
)
def test_what_is_no_plain_report_is_refused(content: bytes) -> None:
    with pytest.raises(BadReport) as caught:
        read_junit(content)
    assert caught.value.next_step


def test_a_report_larger_than_the_limit_is_not_parsed() -> None:
    with pytest.raises(BadReport, match="64 MiB"):
        read_junit(b"x" * (LARGEST + 1))


def test_other_namespaces_and_broken_numbers_do_no_harm() -> None:
    run = read_junit(
        b'<t:testsuite xmlns:t="urn:x"><t:testcase time="soon"/><t:testcase name="a" time="-1"/></t:testsuite>'
    )
    assert [(case.name, case.seconds) for case in run.cases] == [("(unnamed)", 0.0), ("a", 0.0)]


def test_long_messages_are_cut() -> None:
    text = b"y" * 100_000
    run = read_junit(
        b'<testsuite><testcase name="a"><failure message="x">' + text + b"</failure></testcase></testsuite>"
    )
    assert len(run.cases[0].message) == 16 * 1024

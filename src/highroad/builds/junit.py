"""Read JUnit XML: what the tests of a stranger wrote becomes a `TestRun`, or as much of one as can be read.

The format has no standard; this reads what pytest, Node's test runner, Jest, Vitest, Surefire and Go's converters write
(https://github.com/testmoapp/junitxml collects them). Called by `testing`. A document with a DOCTYPE is refused, so no
entity is ever defined or expanded; sizes are limited; a file that ends in the middle gives the cases before.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from xml.parsers import expat  # no DOCTYPE, so none of expat's known attacks has a way in

from highroad.errors import Invalid

LARGEST = 64 * 1024**2
MOST_CASES = 100_000
_LONGEST_MESSAGE = 16 * 1024
_LONGEST_NAME = 1000
_DEEPEST = 100

Outcome = Literal["passed", "failed", "error", "skipped"]
_OUTCOMES: Mapping[str, Outcome] = {"failure": "failed", "error": "error", "skipped": "skipped"}
_RANK: Mapping[Outcome, int] = {"passed": 0, "skipped": 1, "failed": 2, "error": 3}


class BadReport(Invalid):
    code = "bad-test-report"
    title = "The test report cannot be read"


@dataclass(frozen=True, slots=True)
class TestCase:
    """One test; `seconds` is its duration, `message` why it did not pass."""

    __test__ = False  # pytest collects names that begin with Test

    suite: str
    name: str
    seconds: float
    outcome: Outcome
    message: str = ""


@dataclass(frozen=True, slots=True)
class TestRun:
    """All cases of a run in the order of the report. Not `complete` when the report ended in the middle or was cut."""

    __test__ = False

    cases: tuple[TestCase, ...] = ()
    complete: bool = True

    def count(self, outcome: Outcome) -> int:
        return sum(1 for case in self.cases if case.outcome == outcome)

    @property
    def seconds(self) -> float:
        return sum(case.seconds for case in self.cases)

    @property
    def summary(self) -> str:
        """`12 passed, 1 failed`: the outcomes that occurred."""
        counts = {outcome: self.count(outcome) for outcome in _RANK}
        return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "no tests"


@dataclass(slots=True)
class _Reader:
    cases: list[TestCase] = field(default_factory=list)
    suites: list[str] = field(default_factory=list)
    depth: int = 0
    case: dict[str, str] | None = None
    outcome: Outcome = "passed"
    inside: str = ""
    message: list[str] = field(default_factory=list)
    written: int = 0
    full: bool = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise BadReport("The report is nested too deeply.", next_step="Check what the test command writes.")
        name = tag.rpartition("}")[2].rpartition(":")[2]
        if name == "testsuite":
            self.suites.append(attributes.get("name", ""))
        elif name == "testcase":
            self.case, self.outcome, self.message, self.written = attributes, "passed", [], 0
        elif self.case is not None and name in _OUTCOMES:
            self.inside = name
            if _RANK[_OUTCOMES[name]] > _RANK[self.outcome]:
                self.outcome = _OUTCOMES[name]
            self.text(attributes.get("message", ""))

    def text(self, text: str) -> None:
        if self.inside and self.written < _LONGEST_MESSAGE:
            self.message.append(text[: _LONGEST_MESSAGE - self.written])
            self.written += len(text)

    def end(self, tag: str) -> None:
        self.depth -= 1
        name = tag.rpartition("}")[2].rpartition(":")[2]
        if name == "testsuite" and self.suites:
            self.suites.pop()
        elif name == "testcase" and self.case is not None:
            self._add(self.case)
            self.case = None
        elif name == self.inside:
            self.inside = ""
            self.text("\n")

    def _add(self, attributes: Mapping[str, str]) -> None:
        if len(self.cases) >= MOST_CASES:
            self.full = True
            return
        suite = attributes.get("classname") or (self.suites[-1] if self.suites else "")
        self.cases.append(
            TestCase(
                suite=suite[:_LONGEST_NAME],
                name=attributes.get("name", "")[:_LONGEST_NAME] or "(unnamed)",
                seconds=_seconds(attributes.get("time", "")),
                outcome=self.outcome,
                message="".join(self.message).strip(),
            )
        )


def read_junit(content: bytes) -> TestRun:
    """Raises `BadReport` for what is not XML from its first byte, too large, or has a DOCTYPE."""
    if len(content) > LARGEST:
        raise BadReport(
            f"The test report is larger than {LARGEST // 1024**2} MiB.", next_step="Write less output into the report."
        )
    reader = _Reader()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        if not reader.cases:
            raise BadReport(
                f"The test report is not JUnit XML: {error}.",
                next_step="Check what the test command writes to $HIGHROAD_JUNIT.",
            ) from error
        return TestRun(tuple(reader.cases), complete=False)
    return TestRun(tuple(reader.cases), complete=not reader.full)


def _refuse_doctype(*_declaration: object) -> None:
    raise BadReport(
        "The test report has a DOCTYPE, which is never read.", next_step="Have the test runner write plain JUnit XML."
    )


def _seconds(text: str) -> float:
    """A duration as runners write it: `0.004`, `1,234.5`, or nothing."""
    try:
        seconds = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e9 else 0.0

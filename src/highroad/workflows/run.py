"""One run of a workflow, as its function sees it: durable steps, retries, timers. Built by `Engine`, used by every
workflow of the product.

Rules for a workflow function, which is executed again from its first line after every crash:
- whatever reads or changes the world happens inside a step; between steps there is only arithmetic on their results;
- every step is idempotent: it can be cut off after its effect and before its record, and is then run again;
- steps come in an order that depends on step results alone, and a release may append steps to a workflow. A release
  that changes the order otherwise makes unfinished runs begin again (see `Engine`), which idempotent steps make
  harmless.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import ParamSpec, Protocol, TypeVar, cast

from highroad.errors import HighroadError, Permanent, Temporary
from highroad.kit.clock import now, parse_rfc3339, rfc3339
from highroad.workflows.outcome import Envelope, StepBroken, failed, opened, succeeded

P = ParamSpec("P")
T = TypeVar("T")

_log = logging.getLogger(__name__)


class Halted(BaseException):
    """The engine is stopping. Not an `Exception`: no handler of a workflow may take it for a failure and compensate."""


class Displaced(BaseException):
    """Another execution owns this workflow now (this one was a zombie). Ends it without recording anything."""


class StepsChanged(Exception):
    """The steps that a workflow recorded are not those that its function takes now: another release began it."""


class RetriesExhausted(Permanent):
    """A step stayed `Temporary` until its policy had no attempt left."""


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a step that raises `Temporary` is tried, and the seconds between: first, first*factor, ... <=
    longest."""

    attempts: int = 5
    first: float = 0.2
    factor: float = 2.0
    longest: float = 30.0

    def pause(self, failures: int) -> float:
        """Seconds to wait after the `failures`-th failure in a row (1 is the first)."""
        # The exponent is bounded because a policy of thousands of attempts would overflow a float.
        return min(self.longest, self.first * self.factor ** min(failures - 1, 64))


@dataclass(frozen=True, slots=True)
class Step:
    """A step being executed: its place in the run (0 is the first), its name, and which attempt this is (1 is the
    first)."""

    position: int
    name: str
    attempt: int


class Observer(Protocol):
    """Sees every attempt of every step, in the thread that executes it; `now` and `sleep` apart, which have no effect.

    What an observer raises counts as raised by the step: tests fail and kill steps that way, and the product's observer
    must catch its own errors. `after` comes after the effect and before its record, whether the step ended well or not.
    A step replayed from its record is not executed, and so not seen.
    """

    def before(self, run: Run, step: Step) -> None: ...

    def after(self, run: Run, step: Step, seconds: float) -> None: ...


class Unobserved:
    """The observer of an engine that was given none."""

    def before(self, run: Run, step: Step) -> None:
        """Nothing to see."""

    def after(self, run: Run, step: Step, seconds: float) -> None:
        """Nothing to see."""


class Recorder(Protocol):
    """What a run needs of the durable engine: the recorded envelope at this place, or the one `execute` returns,
    recorded."""

    def __call__(self, name: str, execute: Callable[[], Envelope], /) -> Envelope: ...


class Run:
    """`name` and `subject_id` say which run this is; `begun_by` is the version of Highroad that began it."""

    def __init__(
        self,
        name: str,
        subject_id: str,
        *,
        attempt: int,
        begun_by: str,
        record: Recorder,
        retry: Retry,
        observer: Observer,
        stopping: threading.Event,
        cancelled: Callable[[str, str], bool],
    ) -> None:
        self.name = name
        self.subject_id = subject_id
        self.attempt = attempt
        self.begun_by = begun_by
        self._record = record
        self._retry = retry
        self._observer = observer
        self._stopping = stopping
        self._cancelled = cancelled
        self._position = 0

    def __repr__(self) -> str:
        return f"<Run {self.name}:{self.subject_id}:{self.attempt}>"

    @property
    def cancelled(self) -> bool:
        """Whether somebody asked this run to stop, as of now. Read it inside a step: a workflow that branches on it
        between steps could take another branch when it is replayed."""
        return self._cancelled(self.name, self.subject_id)

    @property
    def stopping(self) -> bool:
        """Whether the engine is shutting down. A long step may poll it and `halt`; it is executed again at next
        start."""
        return self._stopping.is_set()

    def halt(self) -> None:
        """End this execution here, with nothing recorded, if the engine is shutting down."""
        if self.stopping:
            raise Halted

    def step(self, name: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The recorded result of a step, which is executed if it has none yet, with the engine's retry policy.

        Returns plain JSON values. Raises `Permanent` or `HighroadError` as the function did, `RetriesExhausted` when it
        stayed `Temporary`, `StepBroken` when it raised anything else; all three are recorded like a result.
        """
        return self.step_retrying(self._retry, name, function, *args, **kwargs)

    def step_retrying(self, retry: Retry, name: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """As `step`, with a retry policy of its own."""
        position = self._next_position()
        call = partial(function, *args, **kwargs)
        return cast("T", opened(self._record(name, partial(self._attempts, retry, position, name, call))))

    def now(self) -> datetime:
        """The present instant when first asked, the same one in every replay."""
        self._next_position()
        return parse_rfc3339(opened(self._record("now", lambda: succeeded(rfc3339(now())))))

    def sleep(self, seconds: float) -> None:
        """Wait until `seconds` after the first execution; the time that Highroad was down counts."""
        self._next_position()
        until = parse_rfc3339(
            opened(self._record("sleep", lambda: succeeded(rfc3339(now() + timedelta(seconds=seconds)))))
        )
        if self._stopping.wait(max(0.0, (until - now()).total_seconds())):
            raise Halted

    def _next_position(self) -> int:
        self.halt()
        self._position += 1
        return self._position - 1

    def _attempts(self, retry: Retry, position: int, name: str, call: Callable[[], object]) -> Envelope:
        attempt = 1
        while True:
            try:
                return succeeded(self._observed(Step(position, name, attempt), call))
            except Temporary as error:
                if attempt >= retry.attempts or not self._pause(retry.pause(attempt)):
                    return failed(self._exhausted(name, attempt, error))
                _log.info("%r: step %r will be tried again: %s", self, name, error)
            except (Permanent, HighroadError) as error:
                _log.info("%r: step %r failed: %s", self, name, error)
                return failed(error)
            except Exception as error:  # noqa: BLE001  # the step boundary: a bug becomes a failure the workflow can undo
                _log.exception("%r: step %r broke", self, name)
                return failed(_broken(name, error))
            attempt += 1

    def _observed(self, step: Step, call: Callable[[], object]) -> object:
        self._observer.before(self, step)
        began = time.perf_counter()
        try:
            return call()
        finally:
            self._observer.after(self, step, time.perf_counter() - began)

    def _pause(self, seconds: float) -> bool:
        """Wait out a back-off. False when the run was cancelled meanwhile, which makes another attempt pointless."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if self._stopping.wait(min(left, 1.0)):
                raise Halted
            if self.cancelled:
                return False
        return True

    @staticmethod
    def _exhausted(name: str, attempts: int, error: Temporary) -> RetriesExhausted:
        times = "once" if attempts == 1 else f"{attempts} times"
        return RetriesExhausted(
            f"{name} failed {times}, the last time with: {error}",
            next_step="Try again when the cause is gone.",
        )


def _broken(name: str, error: Exception) -> StepBroken:
    return StepBroken(
        f"{name} raised {type(error).__name__}: {error}",
        next_step="Try again; if it fails again, report it with the control plane's log of this moment.",
    )

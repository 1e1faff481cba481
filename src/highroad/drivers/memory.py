"""The target `memory`: instances are entries in a dictionary. The twin of the real targets, for tests of everything
that deploys; `tests/drivers/test_contract.py` holds both to the same contract.

How an instance behaves is scripted by its command, so that a test says "this version never becomes healthy" before
anything is deployed; `crash` and `forget` then interfere with single instances.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace

from highroad.drivers.contract import (
    Abilities,
    Checked,
    Finished,
    InstanceSpec,
    InstanceState,
    LogLine,
    LogPage,
    Observed,
)
from highroad.drivers.errors import BadCursor
from highroad.drivers.recovery import STOP_GRACE, agree
from highroad.errors import Permanent, Temporary
from highroad.kit.clock import now
from highroad.kit.disguises import mask_of
from highroad.kit.numbers import whole_number
from highroad.sandbox.run import size
from highroad.workload.model import Health

_RETRIES = 5


@dataclass(frozen=True, slots=True)
class Script:
    """What a command does. `unhealthy` is why checks fail, `crashes` why it ends at once every time ("exited with code
    1"); `says` are its lines; `exit_code` how it ends as a one-off, which `hangs` until cancelled or timed out."""

    unhealthy: str = ""
    crashes: str = ""
    says: tuple[str, ...] = ()
    exit_code: int = 0
    hangs: bool = False


class MemoryDriver:
    """`scripts` by command; a command without one runs, is healthy and says nothing. `kept` lines stay per stream;
    a one-off may write `output_limit` bytes.

    `failures` are raised by the next calls of a verb, in order: `failures["start"].append(Temporary("engine away"))`.
    """

    def __init__(
        self, scripts: Mapping[str, Script] | None = None, *, kept: int = 10_000, output_limit: int = 8 * 1024**2
    ) -> None:
        self.scripts = dict(scripts or {})
        self.specs: dict[str, InstanceSpec] = {}
        self.failures: defaultdict[str, deque[Exception]] = defaultdict(deque)
        self.calls: list[tuple[str, str]] = []
        self._observed: dict[str, Observed] = {}
        self._lines: defaultdict[str, deque[LogLine]] = defaultdict(lambda: deque(maxlen=kept))
        self._count: defaultdict[str, int] = defaultdict(int)
        self._output_limit = output_limit
        self._pid = 1000

    def abilities(self) -> Abilities:
        return Abilities("memory", images=True, isolation=("nothing really runs",))

    def start(self, spec: InstanceSpec) -> None:
        self._called("start", spec.id, spec.secrets)
        if self._observed.get(spec.id, Observed(spec.id, "missing")).state not in ("missing", "exited", "given-up"):
            return
        script = self._script(spec)
        self.specs[spec.id] = spec
        self._pid += 1
        self._observed[spec.id] = Observed(spec.id, "running", pid=self._pid, since=now())
        for text in script.says:
            self.say(spec.id, text)
        if script.crashes:
            self.crash(spec.id, script.crashes)

    def stop(self, instance_id: str, *, grace: float) -> None:  # noqa: ARG002  # nothing here can refuse to end
        self._called("stop", instance_id)
        self.forget(instance_id)

    def observe(self, instance_ids: Sequence[str] | None = None) -> Mapping[str, Observed]:
        self._called("observe", "")
        wanted = list(self._observed) if instance_ids is None else instance_ids
        answer = {each: self._observed.get(each, Observed(each, "missing")) for each in wanted}
        for each in answer.values():  # a crash loop moves on by one try each time somebody looks
            if each.state == "backing-off":
                state: InstanceState = "given-up" if each.restarts >= _RETRIES else "backing-off"
                restarts = min(each.restarts + 1, _RETRIES)
                self._observed[each.id] = replace(each, state=state, restarts=restarts)
        return answer

    def check(self, spec: InstanceSpec, health: Health) -> Checked:
        self._called("check", spec.id, spec.secrets)
        seen = self._observed.get(spec.id)
        if seen is None:
            return Checked(False, "not started")
        if seen.pid is None:
            return Checked(False, seen.why)
        why = "" if health.kind == "none" else self._script(spec).unhealthy
        return Checked(not why, mask_of(spec.secrets).text(why))

    def run(
        self, spec: InstanceSpec, emit: Callable[[bytes], None], *, seconds: float, cancelled: Callable[[], bool]
    ) -> Finished:
        self._called("run", spec.id, spec.secrets)
        script = self._script(spec)
        said = b"".join(text.encode() + b"\n" for text in script.says)
        with mask_of(spec.secrets).over(emit) as veiled:
            for line in said[: self._output_limit].splitlines(keepends=True):
                veiled(line)
        if len(said) > self._output_limit:
            return Finished(None, f"killed: wrote more than {size(self._output_limit)} of output")
        if cancelled():
            return Finished(None, "killed: cancelled")
        if script.hangs:
            return Finished(None, f"killed: took longer than {seconds:g} s")
        return Finished(script.exit_code, f"exit code {script.exit_code}" if script.exit_code else "")

    @contextmanager
    def logged(self, spec: InstanceSpec) -> Iterator[Callable[[bytes], None]]:
        self._called("logged", spec.id, spec.secrets)
        taken = bytearray()
        yield taken.extend
        for text in taken.decode(errors="replace").splitlines():
            self._append(spec, text)

    def read_logs(
        self, stream: str, *, cursor: str | None = None, tail: int | None = None, limit: int = 1000
    ) -> LogPage:
        lines, end = list(self._lines[stream]), self._count[stream]
        if cursor is None and tail is not None:
            return LogPage(tuple(lines[-tail:] if tail else []), f"1:{end}")
        segment, _, position = (cursor or "1:0").partition(":")
        offset = whole_number(position)
        if whole_number(segment) is None or offset is None:
            raise BadCursor(f"{cursor!r} is not a log cursor.", next_step="Start again without a cursor.")
        first = end - len(lines)
        start = max(offset, first) if offset <= end else first
        found = lines[start - first : start - first + limit]
        dropped = cursor is not None and not first <= offset <= end
        return LogPage(tuple(found), f"1:{start + len(found)}", dropped)

    def recover(self, wanted: Callable[[], Sequence[InstanceSpec]]) -> None:
        self._called("recover", "")
        agree(
            wanted,
            list(self._observed),
            absent=lambda ids: [each for each in ids if each not in self._observed],
            start=self.start,
            stop=lambda id: self.stop(id, grace=STOP_GRACE),
            turn=lambda _id: nullcontext(),
        )

    def forget_logs(self, stream: str) -> None:
        self._lines.pop(stream, None)
        self._count.pop(stream, None)

    # What tests do to instances

    def crash(self, instance_id: str, why: str) -> None:
        """The instance ends by itself, again and again."""
        self._observed[instance_id] = replace(self._observed[instance_id], state="backing-off", pid=None, why=why)

    def forget(self, instance_id: str) -> None:
        """The instance is gone without anybody having stopped it."""
        self._observed.pop(instance_id, None)
        self.specs.pop(instance_id, None)

    def say(self, instance_id: str, text: str) -> None:
        self._append(self.specs[instance_id], text)

    def _append(self, spec: InstanceSpec, text: str) -> None:
        text = mask_of(spec.secrets).text(text)
        self._lines[spec.stream].append(LogLine(now(), spec.label, spec.id, text))
        self._count[spec.stream] += 1

    def _script(self, spec: InstanceSpec) -> Script:
        return self.scripts.get(spec.command, Script())

    def _called(self, verb: str, instance_id: str, secrets: tuple[str, ...] = ()) -> None:
        self.calls.append((verb, instance_id))
        if self.failures[verb]:
            failure, mask = self.failures[verb].popleft(), mask_of(secrets)
            raise mask.error(failure) if isinstance(failure, Temporary | Permanent) and mask.shows(failure) else failure

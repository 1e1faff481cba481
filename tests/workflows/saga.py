"""Every step of a workflow fails and dies: the check that each durable workflow of the product passes.

A test describes its workflow once, as a `Saga` over an empty directory, and asks for

    steps_of(SAGA, tmp_path)                 # runs it undisturbed, checks the outcome, lists its steps
    every_step_fails(SAGA, tmp_path)         # each step once Temporary, once Permanent, before and after its effect
    every_step_dies(SAGA, tmp_path)          # the process "dies" before and after each step, another one continues
    every_step_is_killed("module:SAGA", tmp_path)    # the same with real processes and SIGKILL

`every_step_dies` simulates death within the test's process: an exception that no code catches ends the workflow's
thread, and a new engine opens the same directory. `every_step_is_killed` forks a child for each life from a process
that has imported everything and started nothing; it finds what the simulation cannot, such as a lock or a child
process that a dead process leaves behind. Either costs a fraction of a second a death; narrow them by `positions`.

Each case gets a directory of its own, so cases do not see each other; failures name the step and the moment.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Literal

from highroad.errors import Permanent, Temporary
from highroad.workflows.engine import Engine
from highroad.workflows.run import Observer, Run, Step, Unobserved

Moment = Literal["before", "after"]
MOMENTS: tuple[Moment, ...] = ("before", "after")
PATIENCE = 30.0
"""Seconds that a run may take to reach a step, or its end."""


def _nothing(_directory: Path) -> None:
    """A world that needs no making, or leaves nothing to clean."""


@dataclass(frozen=True)
class Saga:
    """A workflow and the world it works on, both reached through a directory alone, as after a restart.

    `subject_id` names what it works on, in every world alike or read from each after it was prepared.
    `prepare` makes the world in an empty directory. `build` makes what a new process would: an engine on it, with the
    workflow registered and the observer passed on, not launched. `converged` asserts the world after the run was
    disturbed and went on; `put_back` asserts it after a step failed for good. `tidy` stops what still runs there.
    """

    workflow: str
    subject_id: str | Callable[[Path], str]
    build: Callable[[Path, Observer], Engine]
    converged: Callable[[Path], None]
    put_back: Callable[[Path], None]
    prepare: Callable[[Path], None] = _nothing
    tidy: Callable[[Path], None] = _nothing

    def subject_in(self, world: Path) -> str:
        return self.subject_id if isinstance(self.subject_id, str) else self.subject_id(world)


def steps_of(saga: Saga, directory: Path) -> list[str]:
    """Run the workflow undisturbed, assert that it converged, and return the names of its steps in order."""
    return list(_positions_of(saga, directory).values())


def every_step_fails(saga: Saga, directory: Path) -> None:
    """Fail every step once: a temporary failure must not show in the outcome, a permanent one must be put back."""
    for position, moment, case in _cases(saga, directory, None):
        for kind, check in ((Temporary, saga.converged), (Permanent, saga.put_back)):
            failure = kind(f"failed {moment} its effect, for the test")
            with _world(saga, directory, f"{case}-{kind.__name__}") as world:
                fault = _Fault(position, moment, partial(_raise, failure))
                _finish(saga, world, fault)
                assert fault.fired.is_set(), f"{case}: the step was not reached"
                check(world)


def every_step_dies(saga: Saga, directory: Path, *, positions: Collection[int] | None = None) -> None:
    """Let the process die before and after every step, in simulation, and assert that the next one converges."""
    for position, moment, case in _cases(saga, directory, positions):
        with _world(saga, directory, case) as world:
            fault = _Fault(position, moment, partial(_raise, _Died()))
            engine = saga.build(world, fault)
            try:
                engine.launch()
                engine.start(saga.workflow, saga.subject_in(world))
                assert fault.fired.wait(PATIENCE), f"{case}: the step was not reached"
            finally:
                engine.destroy()
            _finish(saga, world, Unobserved())
            saga.converged(world)


def every_step_is_killed(name: str, directory: Path, *, positions: Collection[int] | None = None) -> None:
    """Kill a real process before and after every step, and assert that another one converges. `name` is `module:NAME`
    of a `Saga`, which a child imports."""
    saga = _named(name)
    with _nursery(name) as nursery:
        for position, moment, case in _cases(saga, directory, positions):
            with _world(saga, directory, f"killed-{case}") as world:
                assert nursery.live(world, position, moment) == -signal.SIGKILL, f"{case}: the step was not reached"
                assert nursery.live(world, None, moment) == 0, f"{case}: the second process did not finish the run"
                saga.converged(world)


class _Died(BaseException):
    """The simulated end of a process: no `except Exception` sees it."""


class _Fault(Unobserved):
    """Acts once, at one step and moment; `fired` is set just before."""

    def __init__(self, position: int, moment: Moment, act: Callable[[], None]) -> None:
        self._position = position
        self._moment = moment
        self._act = act
        self.fired = threading.Event()

    def before(self, run: Run, step: Step) -> None:
        self._at("before", step)

    def after(self, run: Run, step: Step, seconds: float) -> None:
        self._at("after", step)

    def _at(self, moment: Moment, step: Step) -> None:
        if (moment, step.position) == (self._moment, self._position) and not self.fired.is_set():
            self.fired.set()
            self._act()


def _raise(error: BaseException) -> None:
    raise error


def _finish(saga: Saga, world: Path, observer: Observer) -> None:
    """A process that starts the workflow, or finds it started, and lives until it is done."""
    engine = saga.build(world, observer)
    try:
        engine.launch()
        engine.start(saga.workflow, saga.subject_in(world))
        state = engine.wait(saga.workflow, saga.subject_in(world), seconds=PATIENCE)
    finally:
        engine.destroy()
    assert state == "done", f"{world.name}: the run ended {state}"


def _cases(saga: Saga, directory: Path, positions: Collection[int] | None) -> Iterator[tuple[int, Moment, str]]:
    """Position, moment and a name for each disturbance, over the steps that an undisturbed run takes."""
    taken = _positions_of(saga, directory)
    assert taken, "a workflow without steps has nothing to disturb"
    for position, name in taken.items():
        if positions is None or position in positions:
            for moment in MOMENTS:
                yield position, moment, f"{position}-{_file_name(name)}-{moment}"


def _positions_of(saga: Saga, directory: Path) -> dict[int, str]:
    """The steps of an undisturbed run, by position; `now` and `sleep` hold positions too, but are not disturbed."""
    found: dict[int, str] = {}

    class Listing(Unobserved):
        def before(self, run: Run, step: Step) -> None:
            found.setdefault(step.position, step.name)

    with _world(saga, directory, "undisturbed") as world:
        _finish(saga, world, Listing())
        saga.converged(world)
    return found


def _file_name(text: str) -> str:
    return "".join(character if character.isalnum() else "_" for character in text)


@contextmanager
def _world(saga: Saga, directory: Path, case: str) -> Iterator[Path]:
    number = sum(1 for _ in directory.iterdir())
    world = directory / f"{number}-{case}"
    world.mkdir()
    saga.prepare(world)
    try:
        yield world
    finally:
        saga.tidy(world)


class _Nursery:
    """A process that has imported the saga and forks a child for each life; forking the test's own process, which has
    threads, would copy their locks in whatever state they are."""

    def __init__(self, commands: IO[str], results: IO[str]) -> None:
        self._commands = commands
        self._results = results

    def live(self, world: Path, position: int | None, moment: Moment) -> int:
        """The exit status of a process that works on `world` and kills itself at the given step, if any."""
        print(json.dumps([str(world), position, moment]), file=self._commands, flush=True)
        return int(self._results.readline())


@contextmanager
def _nursery(name: str) -> Iterator[_Nursery]:
    root = Path(__file__).parents[2]
    path = [str(root), str(root / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = subprocess.Popen(
        [sys.executable, "-m", __name__, name],
        cwd=root,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the nursery could not import the saga; see standard error"
        yield _Nursery(process.stdin, process.stdout)


def _named(name: str) -> Saga:
    module, _, attribute = name.partition(":")
    saga = getattr(importlib.import_module(module), attribute)
    assert isinstance(saga, Saga)
    return saga


def _serve(name: str) -> None:
    """The nursery's loop: a line in, a life, its exit status out. Ends with its standard input."""
    importlib.import_module("highroad.workflows.durable")
    saga = _named(name)
    # A child's prints must not be taken for a status.
    results = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    print("ready", file=results, flush=True)
    for line in sys.stdin:
        world, position, moment = json.loads(line)
        child = os.fork()
        if child == 0:
            os._exit(_life(saga, Path(world), position, moment))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), file=results, flush=True)


def _life(saga: Saga, world: Path, position: int | None, moment: Moment) -> int:
    suicide = _Fault(-1 if position is None else position, moment, lambda: os.kill(os.getpid(), signal.SIGKILL))
    try:
        _finish(saga, world, suicide)
    except AssertionError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    # Under its importable name, so that the Saga class that the named module sees is the one checked here.
    importlib.import_module("tests.workflows.saga")._serve(sys.argv[1])

"""How `recover` brings an engine to what is wanted, the same way for every driver.

Workflows start and stop instances meanwhile. So what is wanted is asked for again right before each change, in that
instance's turn, and an instance that cannot be helped holds nobody else back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager

from highroad.drivers.contract import InstanceSpec
from highroad.errors import Permanent, Temporary

STOP_GRACE = 10.0


def agree(
    wanted: Callable[[], Sequence[InstanceSpec]],
    known: Collection[str],
    *,
    absent: Callable[[Sequence[str]], Collection[str]],
    start: Callable[[InstanceSpec], None],
    stop: Callable[[str], None],
    turn: Callable[[str], AbstractContextManager[object]],
) -> None:
    """End those of `known` that are not wanted and start what is wanted and `absent`; `turn` keeps others off one
    instance. Raises one `Temporary` or `Permanent` for all that failed, when everything has been tried."""
    failures: dict[str, Temporary | Permanent] = {}
    specs = _by_id(wanted)
    for instance_id in sorted(set(known) - specs.keys()):
        try:
            with turn(instance_id):
                if instance_id not in _by_id(wanted):
                    stop(instance_id)
        except (Temporary, Permanent) as error:
            failures[instance_id] = error
    for instance_id in sorted(absent(list(specs))):
        try:
            with turn(instance_id):
                spec = _by_id(wanted).get(instance_id)
                if spec is not None:
                    start(spec)
        except (Temporary, Permanent) as error:
            failures[instance_id] = error
    _raise_together(failures)


def _by_id(wanted: Callable[[], Sequence[InstanceSpec]]) -> dict[str, InstanceSpec]:
    return {spec.id: spec for spec in wanted()}


def _raise_together(failures: dict[str, Temporary | Permanent]) -> None:
    if not failures:
        return
    kind = Temporary if any(isinstance(error, Temporary) for error in failures.values()) else Permanent
    said = "; ".join(f"{instance_id}: {error}" for instance_id, error in failures.items())
    raise kind(f"Not recovered: {said}") from next(iter(failures.values()))

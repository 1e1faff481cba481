"""What a step leaves behind: its result, or the error it ended with, as plain JSON. Called by `run` alone.

A step's outcome is read back in two situations, the first time and when a run is replayed after a crash, and a
workflow must take the same branch in both. So every outcome goes through this module, also the first time: a result
that JSON would change is refused, and an error is rebuilt from what was written down, with its class, its words and
its next step.

Classes are found among the modules already imported, never imported by a name that stood in a database. When the exact
class is gone (a release renamed it), the nearest of its recorded ancestors stands in, so that handlers still match.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from highroad.errors import FieldError, HighroadError, Permanent

Envelope: TypeAlias = dict[str, Any]  # Any: the shape is checked by the two readers below, and comes from JSON

_FAMILIES = (HighroadError, Permanent)


class StepBroken(HighroadError):
    """A step raised something that is neither `Temporary`, `Permanent` nor a `HighroadError`: a bug, not a
    situation."""

    code = "step-broken"
    title = "A step failed in a way that Highroad did not expect"


class NotPlain(TypeError):
    """A step returned something that JSON cannot give back unchanged."""


def succeeded(value: object) -> Envelope:
    """The envelope of a result. Raises `NotPlain` for a tuple, a dataclass, a NaN, a dict with a key that is no
    text."""
    try:
        plain = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise NotPlain(f"A step must return plain JSON values, not {type(value).__name__}: {error}") from error
    if plain != value:
        raise NotPlain(f"A step returned {type(value).__name__}, which JSON would give back as something else.")
    return {"result": plain}


def failed(error: HighroadError | Permanent) -> Envelope:
    """The envelope of an error that the workflow function is to handle."""
    kinds = [f"{kind.__module__}:{kind.__qualname__}" for kind in type(error).__mro__ if issubclass(kind, _FAMILIES)]
    recorded: Envelope = {"kinds": kinds, "detail": error.detail, "next_step": error.next_step}
    if isinstance(error, HighroadError):
        recorded["errors"] = [[each.pointer, each.detail] for each in error.errors]
        recorded["extra"] = _plain_extra(error.extra)
    return {"error": recorded}


def opened(envelope: Envelope) -> Any:
    """The result in an envelope, or raise the error in it."""
    if "error" in envelope:
        raise _rebuilt(cast("Envelope", envelope["error"]))
    return envelope["result"]


def _plain_extra(extra: Mapping[str, object]) -> dict[str, object]:
    """Extra members go out in problem details; one that is no JSON is written down as its text rather than lost."""
    return cast("dict[str, object]", json.loads(json.dumps(dict(extra), default=str)))


def _rebuilt(recorded: Envelope) -> HighroadError | Permanent:
    kind = next((found for name in recorded["kinds"] if (found := _class_named(name)) is not None), HighroadError)
    # A subclass may take other arguments than its family; what was recorded are the family's, so its __init__ is used.
    error = kind.__new__(kind)
    if isinstance(error, HighroadError):
        HighroadError.__init__(
            error,
            recorded["detail"],
            next_step=recorded["next_step"],
            errors=[FieldError(pointer, detail) for pointer, detail in recorded["errors"]],
            extra=recorded["extra"],
        )
    else:
        Permanent.__init__(error, recorded["detail"], next_step=recorded["next_step"])
    return error


def _class_named(name: str) -> type[HighroadError] | type[Permanent] | None:
    module, _, path = name.partition(":")
    found: object = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) and issubclass(found, _FAMILIES) else None

"""Writes a workload as plain JSON values and reads it back, so that a release keeps exactly the workload of its commit.

`deployments` and `pipelines` store what `dump` gives.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from highroad.errors import Invalid
from highroad.workload.model import Workload

_ADAPTER = TypeAdapter(Workload)


class BadWorkload(Invalid):
    code = "bad-workload"
    title = "A stored workload cannot be read"


def dump(workload: Workload) -> dict[str, Any]:
    """The workload as JSON values; every field is there, also where it has its default."""
    dumped: dict[str, Any] = _ADAPTER.dump_python(workload, mode="json")
    return dumped


def load(value: Mapping[str, Any]) -> Workload:
    """The workload that `dump` wrote; fields of a later version are left out, absent ones get their defaults. Raises
    `BadWorkload` when a type differs: nothing is converted."""
    try:
        return _ADAPTER.validate_json(json.dumps(value), strict=True)
    except (ValidationError, TypeError, ValueError) as error:
        raise BadWorkload(
            f"This is not a workload: {str(error).splitlines()[0]}",
            next_step="Deploy the commit again, so that its workload is read anew.",
        ) from error

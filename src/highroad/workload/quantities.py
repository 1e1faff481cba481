"""Amounts as people write them: memory with Kubernetes suffixes, CPU in cores or thousandths. The readers use it.

Both readers check the form by schema first, so a wrong one here is a mistake of ours and raises `ValueError`.
"""

from __future__ import annotations

import re

_UNITS = {"": 1}
_UNITS |= {unit: 1000**power for power, unit in enumerate("KMGT", start=1)}
_UNITS |= {f"{unit}i": 1024**power for power, unit in enumerate("KMGT", start=1)}
_MEMORY = re.compile(r"([1-9][0-9]*)([KMGT]i?)?")


def memory_bytes(text: str) -> int:
    """Bytes of `512Mi` (1024-based), `125M` (1000-based) or `1048576`. Raises `ValueError`."""
    match = _MEMORY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no amount of memory")
    return int(match[1]) * _UNITS[match[2] or ""]


def cpu_cores(text: str) -> float:
    """Cores of `2`, `0.5` or `250m`. Raises `ValueError`."""
    cores = int(text[:-1]) / 1000 if text.endswith("m") else float(text)
    if not 0 < cores < 1_000_000:
        raise ValueError(f"{text!r} is no amount of CPU")
    return cores


def memory_text(amount: int) -> str:
    """The shortest exact form: 536870912 is `512Mi`, 128000000 is `128M`."""
    for unit, size in sorted(_UNITS.items(), key=lambda each: -each[1]):
        if amount >= size and amount % size == 0:
            return f"{amount // size}{unit}"
    return str(amount)

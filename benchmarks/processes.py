"""What processes cost, from proc(5)."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
ROUTER = "router"


@dataclass(frozen=True, slots=True)
class Memory:
    """In MiB: `pss` counts shared pages by share, `rss` in full for every process."""

    pss: float
    rss: float


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of its ended children that were waited for."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return sum(map(int, fields[11:15])) / _TICKS


def memory(pid: int) -> Memory:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    kib = {line.split(":")[0]: int(line.split()[1]) for line in lines[1:]}
    return Memory(kib["Pss"] / 1024, kib["Rss"] / 1024)


def over(programs: Mapping[str, int], seconds: float) -> dict[str, float]:
    """CPU seconds of each program in the next `seconds`."""
    before = {name: cpu_seconds(pid) for name, pid in programs.items()}
    time.sleep(seconds)
    return {name: cpu_seconds(pid) - before[name] for name, pid in programs.items()}


def told(values: Mapping[str, float], form: str) -> str:
    return " · ".join(f"{name} {value:{form}}" for name, value in values.items())

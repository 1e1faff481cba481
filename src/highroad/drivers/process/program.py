"""What supervisord runs, as values, and their configuration text. Definitions come from the composition root (control
plane, router), from `collector_program`, and from the driver (instances); `supervisor.py` writes them down."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import highroad
from highroad.sandbox.prepare import Orders, launcher
from highroad.settings import Settings

_LOG_BYTES = 5 * 1024**2
_NEVER = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A program of the platform itself. `env` is its whole environment.

    With `socket` (host, port) supervisord binds it and hands it over as descriptor 0, and a second, sleeping process
    keeps it open while the program restarts. It is restarted for ever, or given up after `retries` quick ends.
    """

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    socket: tuple[str, int] | None = None
    stop_grace: float = 10.0
    retries: int = _NEVER
    priority: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A program as it is written down: supervisord's section, and the orders of each of its processes by file name."""

    name: str
    section: str
    orders: Mapping[str, Orders]


def collector_program(settings: Settings) -> Program:
    command = collector_command(settings.run / "pipes", settings.log_segment, settings.log_segments)
    return Program(name="collector", command=command, priority=10)


def collector_command(pipes: Path, segment_bytes: int, segments: int) -> tuple[str, ...]:
    root = str(Path(highroad.__file__).parents[1])
    code = f"import sys; sys.path.append({root!r}); from highroad.drivers.process.collector import main; main()"
    # Without `site`, which would triple its start and its memory; so it is told where we are.
    return (sys.executable, "-I", "-S", "-E", "-c", code, str(pipes), str(segment_bytes), str(segments))


def define(program: Program, settings: Settings) -> Definition:
    """A platform program, started through the launcher so that what a killed supervisord left behind ends first."""
    words = [("process_name", program.name)]
    orders = {program.name: _orders(program, program.name, program.command, settings)}
    if program.socket is not None:
        host, port = program.socket
        words = [
            ("process_name", f"{program.name}-%(process_num)d"),
            ("numprocs", "2"),
            ("socket", f"tcp://{host}:{port}"),
        ]
        commands = (program.command, ("sleep", "infinity"))
        names = [f"{program.name}-{number}" for number in range(2)]
        orders = {
            name: _orders(program, name, command, settings) for name, command in zip(names, commands, strict=True)
        }
    log = _escape(str(settings.logs / f"{program.name}.log"))
    words += [("stdout_logfile", log), ("stdout_logfile_maxbytes", str(_LOG_BYTES)), ("stdout_logfile_backups", "2")]
    words += [("priority", str(program.priority)), ("startsecs", "1"), ("startretries", str(program.retries))]
    kind = "program" if program.socket is None else "fcgi-program"
    name = program.name if program.socket is None else f"{program.name}-%(process_num)d"
    return Definition(
        name=program.name,
        section=section(kind, program.name, settings.run / "orders", name, program.stop_grace, words),
        orders=orders,
    )


def section(
    kind: str, name: str, orders: Path, orders_name: str, stop_grace: float, words: list[tuple[str, str]]
) -> str:
    """One section of supervisord's configuration. `%` in paths is doubled; `orders_name` may hold expansions."""
    fixed = [
        ("command", _command(orders, orders_name)),
        ("autostart", "true"),
        ("autorestart", "true"),
        ("stopasgroup", "true"),
        ("killasgroup", "true"),
        ("stopwaitsecs", str(max(int(stop_grace + 0.999), 1))),
        ("redirect_stderr", "true"),
    ]
    return f"[{kind}:{name}]\n" + "".join(f"{key}={value}\n" for key, value in (*fixed, *words))


def _command(orders: Path, orders_name: str) -> str:
    # The name is ours and needs no quotes, but its %(process_num)d must stay as it is.
    *words, _ = launcher("")
    return f"{_escape(shlex.join(words))} {_escape(shlex.quote(str(orders)))}/{orders_name}"


def _orders(program: Program, name: str, command: tuple[str, ...], settings: Settings) -> Orders:
    return Orders(
        argv=command,
        env=tuple(f"{key}={value}" for key, value in program.env.items()),
        record=str(settings.run / "records" / name),
        grace=program.stop_grace,
        no_input=program.socket is None,
    )


def _escape(text: str) -> str:
    return text.replace("%", "%%")

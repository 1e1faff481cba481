"""What these rooms need to know of projects, which stand above them: given by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from highroad.access.model import Actor
from highroad.access.places import Place
from highroad.access.replay import Find
from highroad.db.engine import Transaction


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """`find` raises `NotFound` for what the actor may not see; `recorded` is None for what is there no more;
    `projects` are places by project id."""

    find: Callable[[Transaction, Actor, str], Place]
    recorded: Find
    projects: Callable[[Transaction, Iterable[str]], Mapping[str, Place]]

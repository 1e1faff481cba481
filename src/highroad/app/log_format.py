"""The control plane's own log: one line a record, with the secrets masked of whatever was lately worked on.

An error that nobody foresaw is logged with its traceback, and its words can hold what it failed at. Drivers mask their
own errors; this is the net below everybody else. Called by `serve`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable

from highroad.kit.disguises import Mask

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class Discreet(logging.Formatter):
    """`masks` gives those of the subjects that something was said about lately."""

    def __init__(self, masks: Callable[[], Iterable[Mask]]) -> None:
        super().__init__(FORMAT)
        self._masks = masks

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        for mask in self._masks():
            text = mask.text(text)
        return text


def install(masks: Callable[[], Iterable[Mask]]) -> None:
    """For all handlers that there are."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(Discreet(masks))

"""Sends the event log on to its destinations: a follower with a cursor in the database for each of them.

One thread looks every second which destinations have something to deliver; a few workers deliver, one destination at a
time each. Nothing here appends events or holds a transaction while it talks to the network, so the slowest collector
slows nothing else. After a crash the last events are delivered again (at least once): receivers tell them by their id.
A destination that fails is tried again after 5 seconds, then ever later, up to ten minutes, for as long as it stands.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import timedelta

from highroad.access.model import SYSTEM
from highroad.audit import destination_store as store
from highroad.audit.addresses import parse
from highroad.audit.destination_store import Credentials, Destination
from highroad.audit.ocsf import ocsf_event
from highroad.audit.search import newest
from highroad.audit.syslog import SyslogSender
from highroad.audit.webhook import Gone, Mode, RetryLater, WebhookSender
from highroad.db.engine import Database, DatabaseUnavailable
from highroad.errors import HighroadError, Permanent, Temporary
from highroad.events import store as events
from highroad.events.log import EventLog, cloud_event
from highroad.events.model import DESTINATION_MODIFIED, Event, Recorded
from highroad.kit.clock import now

LOOK_SECONDS = 1.0
STOP_SECONDS = 5.0
"""Patience with a receiver that is slow to take its last event; less than what a stopping control plane gets."""
PIECE = 50
"""Events between two notes of how far it got: what a crash repeats."""
PIECES = 20
"""Pieces before a destination lets the others have the worker."""
FIRST_DELAY, LONGEST_DELAY = 5.0, 600.0
WORKERS = 4
logger = logging.getLogger(__name__)

Send = Callable[[Recorded], None]


@contextmanager
def sending(destination: Destination, credentials: Credentials, origin: str) -> Iterator[Send]:
    """A connection that delivers events, or raises `Temporary` or `Permanent` for one."""
    address = parse(credentials.url)
    if address.kind == "webhook":
        mode: Mode = "binary" if destination.mode == "binary" else "structured"
        with WebhookSender(address, mode, credentials.secrets, credentials.authorization) as webhook:
            yield lambda event: webhook.send(cloud_event(event), now())
        return
    with SyslogSender(address, origin) as syslog:

        def send(event: Recorded) -> None:
            envelope = cloud_event(event)
            body = ocsf_event(event) if destination.format == "ocsf" else envelope
            syslog.send(envelope, body, refused=event.decision == "refused")

        yield send


class Delivery:
    """`origin` is the host name of the installation, which stands in syslog messages. `first_delay` is shorter in
    tests."""

    def __init__(self, db: Database, log: EventLog, origin: str, *, first_delay: float = FIRST_DELAY) -> None:
        self._db = db
        self._log = log
        self._origin = origin
        self._first_delay = first_delay
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="audit-delivery")
        self._at_work: dict[str, Future[None]] = {}

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="audit-delivery", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Deliveries at work end with their event, unless the receiver takes too long; all go on at the next start. The
        database is closed afterwards, and what is written meanwhile would be lost with its connection."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=STOP_SECONDS)
        self._workers.shutdown(wait=False, cancel_futures=True)
        wait([each for each in self._at_work.values() if not each.cancelled()], timeout=STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except DatabaseUnavailable as error:
                logger.warning("destinations of the audit log: %s", error)
            except Exception:  # the loop's boundary: it goes on at its next turn
                logger.exception("destinations of the audit log")

    def look(self) -> None:
        """Set workers to whatever is due and nobody is at."""
        with self._db.read() as tx:
            due = store.due(tx, newest(tx), now())
        self._at_work = {id: future for id, future in self._at_work.items() if not future.done()}
        for each in due:
            if each.id not in self._at_work:
                self._at_work[each.id] = self._workers.submit(self._attempt, each)

    def _attempt(self, destination: Destination) -> None:
        try:
            self.deliver(destination)
        except DatabaseUnavailable as error:
            logger.warning("destination %s: %s", destination.name, error)
        except Exception:  # the worker's boundary: tried again at the next look
            logger.exception("destination %s", destination.name)

    def deliver(self, destination: Destination) -> None:
        """Deliver what there is, oldest first, until it is all delivered, it fails, or others should have a turn."""
        with self._db.read() as tx:
            credentials = store.credentials(tx, destination.id)
        position = destination.position
        try:
            with sending(destination, credentials, self._origin) as send:
                for _ in range(PIECES):
                    with self._db.read() as tx:
                        found = events.read(tx, after=position, limit=PIECE)
                    if not found or self._stopping.is_set():
                        return
                    after = self._deliver_piece(destination, position, found, send)
                    if after is None:
                        return
                    position = after
        except (Temporary, Permanent, HighroadError) as error:
            self._note_failure(destination, error)

    def _deliver_piece(self, destination: Destination, position: int, found: list[Recorded], send: Send) -> int | None:
        """The new position, or None when somebody else moved it or we are to stop. What was delivered is noted also
        when the next one fails."""
        delivered = 0
        try:
            for each in found:
                if self._stopping.is_set():
                    break
                send(each)
                delivered += 1
        finally:
            moved = delivered and self._note_success(destination, position, found[delivered - 1].seq, delivered)
        return found[delivered - 1].seq if moved else None

    def _note_success(self, destination: Destination, before: int, position: int, count: int) -> bool:
        with self._db.begin() as tx:
            return store.succeeded(tx, destination.id, before=before, position=position, count=count)

    def _note_failure(self, destination: Destination, error: Temporary | Permanent | HighroadError) -> None:
        logger.warning("destination %s: %s", destination.name, error)
        with self._db.begin() as tx:
            current = store.destination(tx, destination.id)
            if current is None:
                return  # removed meanwhile
            if isinstance(error, Gone):
                store.failed(tx, destination.id, error=str(error), next_at=None, state="refused")
                diff = {"state": (current.state, "refused")}
                event = Event(DESTINATION_MODIFIED, destination.id, {"name": destination.name}, diff=diff)
                self._log.append(tx, event, SYSTEM)
                return
            delay = timedelta(seconds=self._delay(current.failures, error))
            store.failed(tx, destination.id, error=str(error), next_at=now() + delay, state="active")

    def _delay(self, failures: int, error: Exception) -> float:
        if isinstance(error, RetryLater):
            return min(max(error.seconds, self._first_delay), 3600.0)
        longest = min(self._first_delay * 2.0 ** min(failures, 16), LONGEST_DELAY)
        return longest * random.uniform(0.8, 1.2)  # noqa: S311 - jitter, not a secret

"""A restored backup is the same log, byte for byte, and goes on from there with a key of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from highroad.access.model import SYSTEM
from highroad.app.backup import restore_backup, write_backup
from highroad.audit import archive
from highroad.audit.sequencer import Sequencer
from highroad.db.engine import Database
from highroad.drivers.memory import MemoryDriver
from highroad.events.model import COMMAND_FINISHED, Event
from highroad.routing.memory import MemoryRouter
from highroad.settings import load
from highroad.transparency import notes
from highroad.transparency.verify import verify
from tests.audit.proof import append
from tests.deployments.stage import composed, settings_in


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_log_is_proved_after_a_restore_to_another_place(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    database = str(request.getfixturevalue("postgres_database")) if kind == "postgres" else None
    platform = composed(tmp_path, MemoryDriver(), MemoryRouter(settings_in(tmp_path)))
    platform.settings.save()
    context, sequencer = platform.context, platform.sequencer
    with context.db.begin() as tx:
        told = Event(COMMAND_FINISHED, "cmd_1", {"in": str(platform.settings.artifacts / "x")})
        context.log.append(tx, told, SYSTEM)
    before, key = sequencer.catch_up(), sequencer.key.public
    write_backup(platform.settings, tmp_path / "backup.tar.gz")
    context.db.close()

    place = tmp_path / "elsewhere"
    restore_backup(
        tmp_path / "backup.tar.gz", place, database=database, master_key=platform.settings.data / "master.key"
    )
    db = Database(load(place, {}).database_url)
    try:
        restored = Sequencer(db, context.log, place, "localhost")
        append(db, context.log, "afterwards")
        after = restored.catch_up()
        report = verify(lambda: archive.lines(restored), keys=[key, restored.key.public], known=[before.note])
        assert report.sound, report.findings
        assert after.size > before.size
        assert restored.key.name == key.name, "the same log"
        assert restored.key.public != key
        assert notes.public_key(report.keys[0]) == key
    finally:
        db.close()

"""Backup and restore of a whole installation: one `.tar.gz` with the database, repositories, artifacts and settings.

A backup of a running installation is consistent where it matters. The database is read first, in one snapshot;
repositories and artifacts only gain what that does not know yet, and nothing it knows is removed within an hour.
Workflows are not part of it: what was at work is taken up again from the database when the restored installation
starts. Users, sessions and tokens come along; the operator's file is made anew.

Rows are JSON lines and no dump of one engine, so a backup made on SQLite can be restored into PostgreSQL and back.
Build tools write absolute paths into what they install; restored to another directory, those are rewritten.
"""

from __future__ import annotations

import json
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from alembic.util import CommandError
from sqlalchemy import Boolean, MetaData, Table, insert, select, text

from highroad import __version__
from highroad.app import composition
from highroad.db.engine import Database, Transaction, metadata
from highroad.db.migrate import HEAD, migrate, revision, upgrade
from highroad.errors import Conflict, Invalid
from highroad.kit.clock import now, rfc3339
from highroad.settings import Settings, load

FORMAT = 1
ROOMS = ("repositories", "artifacts", "dependencies", "logs", "git")
LARGEST_REWRITTEN = 1024 * 1024
assert composition, "every table is in the metadata once the rooms are imported"


class BadBackup(Invalid):
    code = "bad-backup"
    title = "This is not a backup that can be restored"


class NotEmpty(Conflict):
    code = "restore-target-not-empty"
    title = "The place to restore into is not empty"


class BackupExists(Conflict):
    code = "backup-exists"
    title = "The file exists already"


@dataclass(frozen=True, slots=True)
class Written:
    """`size` in bytes."""

    size: int
    files: int


def write_backup(settings: Settings, file: Path) -> Written:
    """Write the backup; `file` appears whole or not at all."""
    if file.exists():
        raise BackupExists(f"{file} exists.", next_step="Name a file that does not exist yet.")
    partial = file.with_name(f".{file.name}.partial")
    files = 0
    try:
        with tempfile.TemporaryDirectory(dir=settings.work) as directory, _archive(partial) as archive:
            rows = Path(directory) / "database.jsonl"
            database = Database(settings.database_url)
            try:
                schema = _dump(database, rows)
            finally:
                database.close()
            manifest = Path(directory) / "manifest.json"
            described = {
                "format": FORMAT,
                "version": __version__,
                "schema": schema,
                "made_at": rfc3339(now()),
                "data": str(settings.data),
                "postgresql": bool(settings.database),
            }
            manifest.write_text(json.dumps(described))
            archive.add(manifest, "manifest.json")
            archive.add(rows, "database.jsonl")
            archive.add(settings.data / "settings.json", "settings.json")
            for path in _contents(settings.data):
                try:
                    archive.add(path, str(path.relative_to(settings.data)), recursive=False)
                    files += 1
                except FileNotFoundError:
                    continue  # a log segment rotated away, or a leftover tidied up, since it was listed
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return Written(file.stat().st_size, files + 3)


def restore_backup(file: Path, data: Path, *, database: str | None = None) -> Written:
    """Restore into `data`, which must be absent or empty; it appears whole or not at all. Settings come along."""
    if data.exists() and any(data.iterdir()):
        raise NotEmpty(f"{data} is not empty.", next_step="Name a directory that does not exist yet: --data DIR")
    data.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{data.name}.", dir=data.parent))
    try:
        files = _extract(file, partial)
        manifest = _manifest(partial, file)
        if manifest["postgresql"] and not database:
            raise BadBackup(
                "The backup is of an installation on PostgreSQL.",
                next_step="Name an empty database for it: --database postgresql://...",
            )
        rows, described = partial / "database.jsonl", partial / "manifest.json"
        moved = Moved(str(manifest["data"]), str(data))
        settings = replace(load(partial, {}), database=database or "")
        target = Database(settings.database_url)
        try:
            _fill(target, rows, str(manifest["schema"]), moved)
        finally:
            target.close()
        rows.unlink()
        described.unlink()
        settings.save()
        if moved.old != moved.new:
            _rewrite_paths(partial, moved)
        if data.exists():
            data.rmdir()
        partial.rename(data)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return Written(file.stat().st_size, files)


@dataclass(frozen=True, slots=True)
class Moved:
    """The data directory of the backup and the one restored into."""

    old: str
    new: str

    def text(self, value: str) -> str:
        return value.replace(self.old, self.new)


@contextmanager
def _archive(file: Path) -> Iterator[tarfile.TarFile]:
    # Level 1: artifacts are mostly compressed already, and a backup should not take all of a core for minutes.
    file.touch(mode=0o600)
    with tarfile.open(file, "w:gz", compresslevel=1) as archive:
        yield archive


def _contents(data: Path) -> Iterator[Path]:
    """Everything of the rooms, without locks and half-made things, whose names begin with a dot at the top."""
    for room in ROOMS:
        root = data / room
        if not root.is_dir():
            continue
        yield root
        for top in sorted(root.iterdir()):
            if top.name.startswith(".") and top.name != ".gitconfig":
                continue
            yield top
            if top.is_dir() and not top.is_symlink():
                for directory, names, files in os.walk(top):
                    yield from (Path(directory) / name for name in sorted((*names, *files)))


# The database


def _dump(database: Database, file: Path) -> str:
    """Every row of every table in one snapshot, parents before children. Returns the schema's revision."""
    schema = revision(database)
    with database.read() as tx, file.open("w") as out:
        if not tx.sqlite:
            tx.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        for table in metadata.sorted_tables:
            for row in tx.execute(select(table)).mappings():
                out.write(json.dumps([table.name, dict(row)], separators=(",", ":")) + "\n")
    return schema or HEAD


def _fill(database: Database, file: Path, schema: str, moved: Moved) -> None:
    if revision(database) is not None:
        raise NotEmpty(
            "The database holds an installation.", next_step="Name an empty one: --database postgresql://..."
        )
    with database.begin() as tx:
        try:
            upgrade(tx.connection, schema)
        except CommandError as error:
            raise BadBackup(
                f"The backup was made by a newer Highroad (schema {schema}).", next_step="Upgrade first, then restore."
            ) from error
        tables = MetaData()
        tables.reflect(tx.connection)
        with file.open() as rows:
            for line in rows:
                name, row = json.loads(line)
                values = {key: moved.text(value) if isinstance(value, str) else value for key, value in row.items()}
                tx.execute(insert(tables.tables[name]).values(**_booleans(tables.tables[name], values)))
        if not tx.sqlite:
            _continue_sequences(tx)
    migrate(database)


def _booleans(table: Table, values: dict[str, object]) -> dict[str, object]:
    """SQLite reflects a boolean as a number and PostgreSQL does not take one for it; JSON kept what it was."""
    return {key: bool(value) if isinstance(table.c[key].type, Boolean) else value for key, value in values.items()}


def _continue_sequences(tx: Transaction) -> None:
    for table, column in (("events", "seq"), ("placements", "identity")):
        sequence = f"pg_get_serial_sequence('{table}', '{column}')"
        tx.execute(text(f"SELECT setval({sequence}, (SELECT max({column}) FROM {table})) FROM {table} LIMIT 1"))  # noqa: S608


# The files


def _extract(file: Path, into: Path) -> int:
    known = {*ROOMS, "manifest.json", "database.jsonl", "settings.json"}
    count = 0
    try:
        with tarfile.open(file, "r:gz") as archive:
            for member in archive:
                if Path(member.name).parts[0] not in known:
                    raise BadBackup(f"{file} holds {member.name[:80]!r}.", next_step="Use a file of `highroad backup`.")
                archive.extract(member, into, numeric_owner=True, filter="tar")
                count += 1
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise BadBackup(f"{file} cannot be read to its end: {error}", next_step="Use another backup.") from error
    return count


def _manifest(directory: Path, file: Path) -> dict[str, object]:
    try:
        manifest: dict[str, object] = json.loads((directory / "manifest.json").read_text())
        known = manifest["format"] == FORMAT and {"schema", "data", "postgresql"} <= manifest.keys()
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise BadBackup(f"{file} is no backup of this version.", next_step="Use a file of `highroad backup`.")
    return manifest


def _rewrite_paths(directory: Path, moved: Moved) -> None:
    """Put the new directory where build tools wrote the old one: links, scripts, marks; not into compiled files."""
    old, new = os.fsencode(moved.old), os.fsencode(moved.new)
    for room in ("artifacts", "dependencies", "git"):
        for parent, names, files in os.walk(directory / room):
            for path in (Path(parent) / name for name in (*names, *files)):
                if path.is_symlink():
                    target = str(path.readlink())
                    if target.startswith(moved.old):
                        path.unlink()
                        path.symlink_to(moved.text(target))
                elif path.is_file() and path.stat().st_size <= LARGEST_REWRITTEN:
                    content = path.read_bytes()
                    if old in content and b"\0" not in content:
                        status = path.stat()
                        path.write_bytes(content.replace(old, new))
                        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

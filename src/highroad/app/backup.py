"""Backup and restore of a whole installation: one `.tar.gz` with the database, repositories, artifacts and settings.

A backup of a running installation is consistent where it matters. The database is read first, in one snapshot;
repositories only gain what that does not know yet (`archive` says how), and an artifact that is tidied away meanwhile
is left out as a whole, to be built again when it is wanted.
Workflows are not part of it: what was at work is taken up again from the database when the restored installation
starts. Users, sessions and tokens come along; the operator's file is made anew. What is sealed stays sealed, and the
master key stays out, unless it is asked for: see `backup_keys`.

Rows are JSON lines and no dump of one engine, so a backup made on SQLite can be restored into PostgreSQL and back.
Build tools write absolute paths into what they install; restored to another directory, those are rewritten.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from alembic.util import CommandError
from sqlalchemy import Boolean, MetaData, Table, insert, inspect, select, text

from highroad import __version__
from highroad.app import composition
from highroad.app.archive import BadBackup, add, add_rooms, begun, extract
from highroad.app.backup_keys import key_file, master_for, masters_of, put_key, rewrite_sealed
from highroad.builds.trees import remove
from highroad.db.engine import Database, Transaction, metadata
from highroad.db.migrate import HEAD, revision, upgrade
from highroad.errors import Conflict
from highroad.kit.clock import now, rfc3339
from highroad.sealing.keychain import FILE
from highroad.sealing.master import MasterKey
from highroad.settings import Settings, load

FORMAT = 1
PROVED = frozenset({"events", "audit_tiles", "audit_checkpoints", "audit_keys", "audit_retentions"})
"""Tables that the audit log's tree proves byte for byte: what happened elsewhere still happened there."""
LARGEST_REWRITTEN = 1024 * 1024
assert composition, "every table is in the metadata once the rooms are imported"


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


def write_backup(settings: Settings, file: Path, *, include_master_key: bool = False) -> Written:
    """Write the backup; `file` appears whole or not at all. With its master key, whoever has it reads all secrets."""
    if file.exists():
        raise BackupExists(f"{file} exists.", next_step="Name a file that does not exist yet.")
    key = [key_file(settings.data)] if include_master_key else []
    settings.make_directories()  # a restored installation that was never up has not all of them
    partial = file.with_name(f".{file.name}.{secrets.token_hex(4)}.partial")
    try:
        with tempfile.TemporaryDirectory(dir=settings.work) as directory, begun(partial) as archive:
            rows = Path(directory) / "database.jsonl"
            database = Database(settings.database_url)
            try:
                schema, masters = _dump(database, rows)
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
                "master": masters,
            }
            manifest.write_text(json.dumps(described))
            for paper in (manifest, rows, settings.data / "settings.json", *key):
                add(archive, paper, paper.name)
            files = add_rooms(archive, settings.data)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    return Written(file.stat().st_size, files + 3 + len(key))


def restore_backup(file: Path, data: Path, *, database: str | None = None, master_key: Path | None = None) -> Written:
    """Restore into `data`, which must be absent or empty; it appears whole or not at all. Settings come along.

    The database is filled when all files are in place, so that a restore that fails leaves that empty too.
    `master_key` is a file with the key that the backup is sealed with, if that is neither in it nor in the environment.
    """
    if data.exists() and any(data.iterdir()):
        raise NotEmpty(f"{data} is not empty.", next_step="Name a directory that does not exist yet: --data DIR")
    if database:
        with _opened(database) as target:
            _require_empty(target)
    data.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f".{data.name}.", dir=data.parent))
    try:
        files = extract(file, partial)
        manifest = _manifest(partial, file)
        if manifest["postgresql"] and not database:
            raise BadBackup(
                "The backup is of an installation on PostgreSQL.",
                next_step="Name an empty database for it: --database postgresql://...",
            )
        moved = Moved(str(manifest["data"]), str(data))
        included = partial / FILE
        master = master_for(list(manifest.get("master") or ()), included, master_key, Path(moved.old))
        put_key(master, included, master_key)
        settings = replace(load(partial, {}), database=database or "")
        settings.save()
        if moved.old != moved.new:
            _rewrite_paths(partial, moved)
        with _opened(settings.database_url) as target:
            _fill(target, partial / "database.jsonl", str(manifest["schema"]), moved, master)
        for paper in ("database.jsonl", "manifest.json"):
            (partial / paper).unlink()
        if data.exists():
            data.rmdir()
        partial.rename(data)
    except BaseException:
        remove(partial)
        raise
    return Written(file.stat().st_size, files)


@dataclass(frozen=True, slots=True)
class Moved:
    """The data directory of the backup and the one restored into."""

    old: str
    new: str

    def text(self, value: str) -> str:
        return self.content(os.fsencode(value)).decode(errors="surrogateescape")

    def content(self, value: bytes) -> bytes:
        """With the new directory for the old one, and not for another whose name only begins like it."""
        old, new = os.fsencode(self.old), os.fsencode(self.new)
        return re.sub(re.escape(old) + rb"(?![\w.-])", lambda _: new, value) if old in value else value


# The database


def _dump(database: Database, file: Path) -> tuple[str, list[str]]:
    """Every row of every table in one snapshot, parents before children. Returns the schema's revision, and the ids of
    the master keys that it is sealed with."""
    schema = revision(database)
    with database.read() as tx, file.open("w") as out:
        for table in metadata.sorted_tables:
            for row in tx.execute(select(table)).mappings():
                out.write(json.dumps([table.name, dict(row)], separators=(",", ":")) + "\n")
        masters = masters_of(tx)
    return schema or HEAD, masters


@contextmanager
def _opened(url: str) -> Iterator[Database]:
    database = Database(url)
    try:
        yield database
    finally:
        database.close()


def _require_empty(database: Database) -> None:
    with database.read() as tx:
        if inspect(tx.connection).get_table_names():
            raise NotEmpty("The database is not empty.", next_step="Name an empty one: --database postgresql://...")


def _fill(database: Database, file: Path, schema: str, moved: Moved, master: MasterKey | None) -> None:
    """Make the schema of the backup, put the rows in and bring all that to the present schema: wholly or not at all."""
    _require_empty(database)
    with database.rebuild() as tx:
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
                written = moved.text if name not in PROVED else str
                values = {key: written(value) if isinstance(value, str) else value for key, value in row.items()}
                tx.execute(insert(tables.tables[name]).values(**_booleans(tables.tables[name], values)))
        if not tx.sqlite:
            _continue_sequences(tx)
        upgrade(tx.connection)
        if master is not None and moved.old != moved.new:
            rewrite_sealed(tx, master, moved.text)


def _booleans(table: Table, values: dict[str, object]) -> dict[str, object]:
    """SQLite reflects a boolean as a number and PostgreSQL does not take one for it; JSON kept what it was."""
    return {key: bool(value) if isinstance(table.c[key].type, Boolean) else value for key, value in values.items()}


def _continue_sequences(tx: Transaction) -> None:
    for table, column in (("events", "seq"), ("placements", "identity")):
        sequence = f"pg_get_serial_sequence('{table}', '{column}')"
        tx.execute(text(f"SELECT setval({sequence}, (SELECT max({column}) FROM {table})) FROM {table} LIMIT 1"))  # noqa: S608


# The files


def _manifest(directory: Path, file: Path) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((directory / "manifest.json").read_text())
        known = manifest["format"] == FORMAT and {"schema", "data", "postgresql"} <= manifest.keys()
    except (OSError, ValueError, KeyError, TypeError):
        known = False
    if not known:
        raise BadBackup(f"{file} is no backup of this version.", next_step="Use a file of `highroad backup`.")
    return manifest


def _rewrite_paths(directory: Path, moved: Moved) -> None:
    """Put the new directory where build tools wrote the old one: links, scripts, marks; not into compiled files."""
    for room in ("artifacts", "dependencies", "git"):
        for parent, names, files in os.walk(directory / room):
            for path in (Path(parent) / name for name in (*names, *files)):
                if path.is_symlink():
                    _point_anew(path, moved)
                elif path.is_file() and path.stat().st_size <= LARGEST_REWRITTEN:
                    _rewrite(path, moved)


def _point_anew(link: Path, moved: Moved) -> None:
    target = os.readlink(link)  # noqa: PTH115  # a Path would lose a slash at its end
    wanted = moved.text(target) if target.startswith(moved.old) else target
    if wanted != target:
        with _writable(link.parent):
            link.unlink()
            link.symlink_to(wanted)


def _rewrite(path: Path, moved: Moved) -> None:
    status = path.stat()
    with _writable(path):
        content = path.read_bytes()
        wanted = content if b"\0" in content else moved.content(content)
        if wanted != content:
            path.write_bytes(wanted)
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@contextmanager
def _writable(path: Path) -> Iterator[None]:
    """Package caches are read-only for their owner, who is only root by chance."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o600 == 0o600:
        yield
        return
    path.chmod(mode | 0o600)
    try:
        yield
    finally:
        path.chmod(mode)

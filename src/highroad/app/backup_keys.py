"""The master key of a backup: which one it needs, where it is found at a restore, and what is sealed in its rows.

A backup holds the data keys as the database does, wrapped; without the master key nobody reads a secret out of it. It
is asked for before anything is written. `backup` calls this.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from sqlalchemy import select

from highroad.db.engine import Transaction
from highroad.db.keys import list_keys, sealed_columns
from highroad.errors import Conflict, Invalid
from highroad.sealing.keychain import COMMAND, FILE, Keychain, read_key, write_key
from highroad.sealing.keyring import Keyring
from highroad.sealing.master import LocalKey, MasterKey


class MasterKeyNeeded(Invalid):
    code = "master-key-needed"
    title = "The backup needs its master key"


class NoMasterKeyFile(Conflict):
    code = "no-master-key-file"
    title = "There is no master key to include"


def masters_of(tx: Transaction) -> list[str]:
    """Ids of the master keys that the data keys are wrapped with: one, or none of a database that was never started."""
    return sorted({each.master for each in list_keys(tx)})


def key_file(data: Path) -> Path:
    """The file to include in a backup. Raises `NoMasterKeyFile` when the key comes from elsewhere."""
    file = data / FILE
    if read_key(file) is None:
        raise NoMasterKeyFile(
            f"{file} is not there: the master key of this installation comes from the environment or a command.",
            next_step="Leave --include-master-key out, and keep that key yourself.",
        )
    return file


def master_for(
    wanted: list[str], included: Path, given: Path | None, before: Path, environ: Mapping[str, str] = os.environ
) -> MasterKey | None:
    """The master key that a restore goes on with: from the file `given`, from the backup, or from the environment.

    None when the backup needs none. Raises `MasterKeyNeeded`. `before` is the data directory of the backup.
    """
    if not wanted:
        return None
    keychain = Keychain(included.parent, environ)
    candidates = [
        read_key(given) if given is not None else None,
        read_key(included),
        None if keychain.own else keychain.present(),
    ]
    for key in candidates:
        if key is not None and wanted == [key.id]:
            return key
    if wanted == ["command"]:
        step = f"Set {COMMAND} to the command that the installation used, and restore again."
    else:
        step = f"highroad restore FILE --master-key {before / FILE} (or wherever you keep a copy of it)"
    held = f"{given} holds another key. " if given is not None else ""
    raise MasterKeyNeeded(
        f"{held}What is secret in the backup is sealed, and opens with the master key {' and '.join(wanted)} only. "
        "Nothing was restored.",
        next_step=step,
    )


def put_key(master: MasterKey | None, included: Path, given: Path | None) -> None:
    """Leave the key at its place in the restored directory, as a file of this user, if it is a file's."""
    content = given.read_bytes() if given is not None else included.read_bytes() if included.exists() else None
    included.unlink(missing_ok=True)
    if content is not None and isinstance(master, LocalKey) and LocalKey(content, FILE).id == master.id:
        write_key(included, content)


def rewrite_sealed(tx: Transaction, master: MasterKey, change: Callable[[str], str]) -> None:
    """Change texts inside of what is sealed: paths of the data directory stand there, too."""
    stored = list_keys(tx)
    keyring = Keyring(master, lambda: stored)

    def changed(held: str, about: str) -> str | None:
        text = keyring.open(held, about=about)
        wanted = change(text)
        return keyring.seal(wanted, about=about) if wanted != text else None

    for each in sealed_columns():
        rows = tx.execute(select(each.table).where(each.held.like("hs1.%"))).mappings().all()
        each.rewritten(tx, rows, changed)

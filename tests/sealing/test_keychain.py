"""Where the master key is found, what of it is refused, and that none is ever overwritten."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import pytest

from highroad.sealing.errors import BadMasterKey, LooseMasterKey, MasterKeyElsewhere
from highroad.sealing.keychain import COMMAND, KEY, PREVIOUS, Keychain, read_key, write_key

OTHER = base64.b64encode(b"k" * 32).decode()


def test_the_first_key_is_made_for_its_owner_alone_and_stays(tmp_path: Path) -> None:
    keychain = Keychain(tmp_path, {})
    assert keychain.present() is None
    made = keychain.make()
    assert (tmp_path / "master.key").stat().st_mode & 0o7777 == 0o600
    assert keychain.make().id == made.id
    assert [path.name for path in tmp_path.iterdir()] == ["master.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o601])
def test_a_key_that_others_can_use_is_refused_with_what_to_do(tmp_path: Path, mode: int) -> None:
    keychain = Keychain(tmp_path, {})
    keychain.make()
    (tmp_path / "master.key").chmod(mode)
    with pytest.raises(LooseMasterKey, match=f"{mode:04o}") as refused:
        keychain.present()
    assert f"chmod 600 {tmp_path / 'master.key'}" in refused.value.next_step


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_key_of_another_user_is_refused(tmp_path: Path) -> None:
    keychain = Keychain(tmp_path, {})
    keychain.make()
    os.chown(tmp_path / "master.key", 12345, 12345)
    with pytest.raises(LooseMasterKey, match="belongs to the user 12345"):
        keychain.present()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    write_key(tmp_path / "elsewhere", bytes(32))
    (tmp_path / "master.key").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LooseMasterKey):
        Keychain(tmp_path, {}).present()


def test_a_directory_or_a_pipe_is_no_key(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "directory").mkdir(mode=0o700)
    for name in ("pipe", "directory"):
        with pytest.raises(LooseMasterKey):
            read_key(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 33, b"x" * 10_000])
def test_a_file_of_another_length_is_no_key(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "master.key").touch(mode=0o600)
    (tmp_path / "master.key").write_bytes(content)
    with pytest.raises(BadMasterKey):
        Keychain(tmp_path, {}).present()


def test_a_key_is_never_overwritten(tmp_path: Path) -> None:
    write_key(tmp_path / "master.key", b"a" * 32)
    with pytest.raises(FileExistsError):
        write_key(tmp_path / "master.key", b"b" * 32)
    assert (tmp_path / "master.key").read_bytes() == b"a" * 32


def test_the_environment_goes_before_the_file_and_a_command_before_both(tmp_path: Path) -> None:
    made = Keychain(tmp_path, {}).make()
    given = Keychain(tmp_path, {KEY: OTHER})
    present = given.present()
    assert present is not None
    assert present.id != made.id
    command = Keychain(tmp_path, {KEY: OTHER, COMMAND: f"{sys.executable} kms.py"}).present()
    assert command is not None
    assert command.id == "command"


@pytest.mark.parametrize("environ", [{KEY: OTHER}, {COMMAND: "kms"}])
def test_a_key_that_is_given_from_outside_is_not_replaced(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(MasterKeyElsewhere) as refused:
        Keychain(tmp_path, environ).prepare_next()
    assert PREVIOUS in refused.value.next_step
    assert list(tmp_path.iterdir()) == []


def test_the_next_key_takes_its_place_and_the_old_one_is_kept(tmp_path: Path) -> None:
    keychain = Keychain(tmp_path, {})
    old, coming = keychain.make(), keychain.prepare_next()
    assert keychain.prepare_next().id == coming.id, "a second attempt goes on with the first one's"
    assert keychain.adopt(old.id) is None, "not before the database is wrapped with it"
    adopted = keychain.adopt(coming.id)
    assert adopted is not None
    assert adopted.id == coming.id
    assert keychain.old_files() == [f"master.key.old-{old.id}"]
    kept = read_key(tmp_path / f"master.key.old-{old.id}")
    assert kept is not None
    assert kept.id == old.id
    assert keychain.adopt(coming.id) is None, "it is done"

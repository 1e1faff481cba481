"""What the launcher is told, for machines that this one is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest

from highroad.sandbox.errors import CannotStart
from highroad.sandbox.model import Confinement, Level, Placed
from highroad.sandbox.prepare import encode, prepare
from highroad.settings import Settings

ISOLATED = Level(features=(), bwrap="/bwrap", env="/env", system=("--ro-bind", "/usr", "/usr"))


def test_an_ordinary_user_gets_a_user_namespace_and_no_setpriv(tmp_path: Path) -> None:
    orders = prepare(Confinement(argv=("x",), cwd="/tmp", name="a", uid=5), ISOLATED, placed=tmp_path, standing=True)
    assert "--unshare-user" in orders.argv
    assert orders.argv[-3:] == ("/env", "--default-signal", "x")
    assert orders.hold_term


def test_a_standing_command_outlives_its_parent_and_another_does_not(tmp_path: Path) -> None:
    confinement = Confinement(argv=("x",), cwd="/tmp", name="a")
    assert "--die-with-parent" not in prepare(confinement, ISOLATED, placed=tmp_path, standing=True).argv
    assert "--die-with-parent" in prepare(confinement, ISOLATED, placed=tmp_path, standing=False).argv


def test_without_cgroups_memory_and_processes_become_rlimits(tmp_path: Path) -> None:
    level = Level(features=(), root=True, setpriv="/setpriv")
    confinement = Confinement(argv=("x",), cwd="/tmp", name="a", uid=5, memory=1000, processes=9)
    orders = prepare(confinement, level, placed=tmp_path, standing=True)
    assert {"DATA=1000", "NPROC=9"} <= set(orders.rlimits)
    assert orders.argv[:3] == ("/setpriv", "--reuid=5", "--regid=5")
    assert not orders.hold_term


def test_inner_directories_are_bound_after_outer_ones(tmp_path: Path) -> None:
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    confinement = Confinement(
        argv=("x",), cwd=str(tmp_path), name="a", readable=(str(inner),), writable=(str(tmp_path),)
    )
    words = prepare(confinement, ISOLATED, placed=tmp_path / "placed", standing=True).argv
    assert words.index("--bind") < [i for i, word in enumerate(words) if word == "--ro-bind"][-1]


def test_a_name_that_would_leave_the_cgroup_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="cannot name a cgroup"):
        prepare(Confinement(argv=("x",), cwd="/tmp", name="../x"), ISOLATED, placed=tmp_path, standing=True)


def test_a_missing_working_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="does not exist"):
        prepare(Confinement(argv=("x",), cwd="/no/such", name="x"), ISOLATED, placed=tmp_path, standing=True)


def test_files_need_a_file_system_of_the_commands_own(tmp_path: Path) -> None:
    confinement = Confinement(argv=("x",), cwd="/tmp", name="x", files=(Placed("/etc/x", b""),))
    with pytest.raises(CannotStart, match="bubblewrap"):
        prepare(confinement, Level(features=()), placed=tmp_path, standing=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="becoming an ordinary user takes root")
def test_an_ordinary_user_is_kept_apart_too(level: Level, settings: Settings, artifact: Path) -> None:
    readable = Path(tempfile.mkdtemp(dir="/var/tmp"))  # where that user can reach it
    try:
        readable.chmod(0o755)
        (readable / "app.txt").write_text("the app\n")
        user = replace(level, root=False, setpriv=None)
        command = ("/bin/sh", "-c", f"cat app.txt; touch /tmp/x $HOME/y /q; ls {settings.data}; cat /proc/*/comm")
        confinement = Confinement(argv=command, cwd=str(readable), name="a", readable=(str(readable),))
        words = prepare(confinement, user, placed=readable, standing=False).argv
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        env = {"PATH": "/usr/bin:/bin", "HOME": "/tmp/home"}
        ended = subprocess.run([*become, *words], env=env, capture_output=True, text=True, check=False, timeout=20)
    finally:
        shutil.rmtree(readable)
    if "user namespace" in ended.stderr or "uid map" in ended.stderr:
        pytest.skip("this machine gives ordinary users no user namespaces")
    assert ended.stdout.splitlines()[:1] == ["the app"], ended.stderr
    assert "pytest" not in ended.stdout
    assert "'/q': Read-only file system" in ended.stderr
    assert "No such file" in ended.stderr


def test_ports_are_ordered_where_the_kernel_can_keep_to_them(tmp_path: Path) -> None:
    confinement = Confinement(argv=("x",), cwd="/tmp", name="a", ports=(0, 20_001))
    able = replace(ISOLATED, confines_ports=True)
    assert b"ports\0" not in encode(prepare(confinement, ISOLATED, placed=tmp_path, standing=True))
    assert b"ports\x000,20001\0" in encode(prepare(confinement, able, placed=tmp_path, standing=True))
    free = replace(confinement, ports=None)
    assert b"ports\0" not in encode(prepare(free, able, placed=tmp_path, standing=True))

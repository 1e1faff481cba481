"""Finding cgroups, on directory trees as version 1 and 2 machines show them, and reading the real ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from highroad.sandbox import cgroups
from highroad.sandbox.model import Cgroups, Confinement, Level
from highroad.sandbox.prepare import cgroup_orders


def hierarchy(root: Path, *controllers: str) -> Path:
    root.mkdir(parents=True, exist_ok=True)
    (root / "cgroup.controllers").write_text(" ".join(controllers))
    (root / "cgroup.subtree_control").write_text(" ".join(controllers))
    return root


def test_version_1_has_a_directory_in_every_hierarchy(tmp_path: Path) -> None:
    for name in ("memory", "pids", "cpu,cpuacct"):
        (tmp_path / name).mkdir()
    mounts = tmp_path / "mounts"
    mounts.write_text("".join(f"cgroup {tmp_path}/{n} cgroup rw,{n} 0 0\n" for n in ("memory", "pids", "cpu,cpuacct")))
    found = cgroups.find("highroad-x", mounts, tmp_path / "none")
    assert found.version == 1
    assert found.parents["cpu"] == f"{tmp_path}/cpu,cpuacct/highroad-x"
    assert not Path(found.parents["memory"]).exists()  # comes with the first command


def test_version_2_is_used_where_it_offers_controllers(tmp_path: Path) -> None:
    root = hierarchy(tmp_path / "fs", "memory", "pids", "cpu", "io")
    hierarchy(root / "highroad-x", "memory", "pids", "cpu")
    (tmp_path / "own").write_text("0::/\n")
    (tmp_path / "mounts").write_text(f"cgroup2 {root} cgroup2 rw 0 0\n")
    found = cgroups.find("highroad-x", tmp_path / "mounts", tmp_path / "own")
    assert found == Cgroups(2, dict.fromkeys(("cpu", "memory", "pids"), f"{root}/highroad-x"))


def test_version_2_of_a_user_is_the_highest_delegated_one(tmp_path: Path) -> None:
    root = tmp_path / "fs"
    root.mkdir()
    user = hierarchy(root / "user.slice" / "user@1000.service", "memory", "pids")
    hierarchy(user / "highroad-x", "memory", "pids")
    hierarchy(user / "app.slice", "memory", "pids")
    (tmp_path / "own").write_text("0::/user.slice/user@1000.service/app.slice\n")
    (tmp_path / "mounts").write_text(f"cgroup2 {root} cgroup2 rw 0 0\n")
    found = cgroups.find("highroad-x", tmp_path / "mounts", tmp_path / "own")
    assert set(found.parents.values()) == {f"{user}/highroad-x"}


def test_a_machine_without_cgroups_has_none(tmp_path: Path) -> None:
    (tmp_path / "mounts").write_text("proc /proc proc rw 0 0\n")
    assert cgroups.find("x", tmp_path / "mounts", tmp_path / "own") == Cgroups()
    assert cgroups.find("x", tmp_path / "absent", tmp_path / "own") == Cgroups()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        (
            1,
            {"/m/a/memory.limit_in_bytes=1000", "/m/a/memory.memsw.limit_in_bytes=1000", "/c/a/cpu.cfs_quota_us=50000"},
        ),
        (2, {"/m/a/memory.max=1000", "/m/a/memory.swap.max=0", "/c/a/cpu.max=50000 100000"}),
    ],
)
def test_limits_are_written_in_the_words_of_the_version(version: int, expected: set[str]) -> None:
    places = Cgroups(1 if version == 1 else 2, {"memory": "/m", "cpu": "/c"})
    confinement = Confinement(argv=("x",), cwd="/", name="a", memory=1000, cpu=0.5, processes=9)
    directories, writes = cgroup_orders(confinement, Level(features=(), cgroups=places))
    assert set(writes) == expected
    assert directories == ("/m/a", "/c/a")


def test_out_of_memory_is_read_from_either_version(tmp_path: Path) -> None:
    for version, file in ((1, "memory.oom_control"), (2, "memory.events")):
        level = Level(features=(), cgroups=Cgroups(1 if version == 1 else 2, {"memory": str(tmp_path)}))
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / file).write_text("low 0\noom_kill 0\n")
        assert not cgroups.out_of_memory("a", level)
        (tmp_path / "a" / file).write_text("low 0\noom_kill 2\n")
        assert cgroups.out_of_memory("a", level)


def test_an_installation_that_is_cleared_leaves_no_directory(tmp_path: Path) -> None:
    found = cgroups.find(cgroups.unit_of(tmp_path))
    if not found.parents:
        pytest.skip("this machine gives us no cgroups")
    directories = [Path(parent) for parent in found.parents.values()]
    for directory in dict.fromkeys(directories):
        (directory / "app.ins_1").mkdir(parents=True)
    cgroups.clear(tmp_path)
    assert not any(directory.exists() for directory in directories)


def test_a_group_that_does_not_exist_says_nothing(level: Level) -> None:
    assert not cgroups.out_of_memory("nobody", level)
    assert cgroups.peak_memory("nobody", level) == 0
    assert cgroups.remove("nobody", level)

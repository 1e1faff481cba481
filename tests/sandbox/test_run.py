"""`run` on the real kernel: what a command can see, how it ends, and that nothing of it is left."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from highroad.sandbox import launch
from highroad.sandbox.errors import CannotStart
from highroad.sandbox.files import hand_over
from highroad.sandbox.model import Level, Placed
from highroad.settings import Settings

if TYPE_CHECKING:
    from tests.sandbox.conftest import Shell

MIB = 1024**2


def processes_of(mark: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and launch.started(int(entry.name)):
            try:
                if mark.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def test_a_command_sees_its_artifact_at_the_same_path(shell: Shell) -> None:
    assert shell(f"cat {shell.artifact}/app.txt").exit_code == 0
    assert shell.output == b"the app\n"


def test_the_exit_code_is_the_commands(shell: Shell) -> None:
    ended = shell("exit 7")
    assert (ended.exit_code, ended.by, ended.why) == (7, "itself", "exit code 7")


def test_a_signal_of_its_own_is_named(shell: Shell) -> None:
    ended = shell("kill -SEGV $$")
    assert (ended.exit_code, ended.why) == (139, "ended by SIGSEGV")


def test_both_streams_arrive(shell: Shell) -> None:
    shell("echo out; echo err >&2")
    assert sorted(shell.output.split()) == [b"err", b"out"]


def test_the_data_directory_is_invisible(shell: Shell, settings: Settings) -> None:
    (settings.data / "secret").write_text("s3cret")
    shell(f"ls -a {settings.data} {settings.artifacts} {settings.run}; cat {settings.data}/secret")
    assert b"s3cret" not in shell.output
    assert b"sandboxes" not in shell.output


def test_other_processes_are_invisible(shell: Shell) -> None:
    shell("cat /proc/[0-9]*/comm")
    assert b"pytest" not in shell.output
    assert len(shell.output.split()) < 6


def test_nothing_but_its_own_environment_is_there(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIGHROAD_TEST_SECRET", "s3cret")
    shell("env; cat /proc/*/environ", env={"GREETING": "hello"})
    assert b"GREETING=hello" in shell.output
    assert b"s3cret" not in shell.output


def test_it_has_no_capabilities_and_cannot_gain_any(shell: Shell) -> None:
    shell("grep -E 'Cap(Eff|Prm|Inh|Amb)|NoNewPrivs' /proc/self/status")
    values = dict(line.split(b":\t") for line in shell.output.splitlines())
    assert values.pop(b"NoNewPrivs") == b"1"
    assert {int(value, 16) for value in values.values()} == {0}


@pytest.mark.skipif(os.geteuid() != 0, reason="a user of its own takes root")
def test_as_root_it_runs_as_a_user_of_its_own(shell: Shell) -> None:
    shell("id -u; cat /etc/shadow")
    assert shell.output.startswith(b"231000\n")
    assert b"root:" not in shell.output


def test_artifact_and_system_are_read_only(shell: Shell) -> None:
    assert shell("touch app.txt").exit_code != 0
    assert shell("touch /usr/x /etc/x /x /dev/x").exit_code != 0
    assert not (shell.artifact / "x").exists()


def test_a_writable_directory_is_written(shell: Shell, level: Level, tmp_path: Path) -> None:
    hand_over(tmp_path, 231_000, 231_000, level=level)
    assert shell(f"echo made > {tmp_path}/result", writable=(str(tmp_path),)).exit_code == 0
    assert (tmp_path / "result").read_text() == "made\n"


def test_home_and_tmp_take_files_until_the_disk_limit(shell: Shell) -> None:
    assert shell("echo x > $HOME/x && echo x > /tmp/x").exit_code == 0
    ended = shell("dd if=/dev/zero of=$HOME/big bs=1M count=32", disk=8 * MIB)
    assert ended.exit_code == 1
    assert b"No space left on device" in shell.output


def test_placed_files_are_there_with_their_mode(shell: Shell) -> None:
    files = (Placed("/etc/app/key.pem", b"key", 0o400), Placed(f"{shell.artifact}/conf/new.ini", b"ini"))
    shell("cat /etc/app/key.pem conf/new.ini app.txt; stat -c %a /etc/app/key.pem; ls /etc/passwd", files=files)
    assert shell.output == b"keyinithe app\n400\n/etc/passwd\n"


def test_time_runs_out(shell: Shell) -> None:
    ended = shell("sleep 1000.25 & sleep 1000.25", seconds=0.3)
    assert (ended.exit_code, ended.why) == (None, "killed: took longer than 0.3 s")
    assert processes_of("1000.25") == []


def test_output_runs_out_and_only_the_limit_is_emitted(shell: Shell) -> None:
    ended = shell("yes", output_limit=100_000)
    assert ended.by == "output"
    assert len(shell.output) == 100_000


def test_memory_runs_out(shell: Shell, level: Level) -> None:
    if "memory" not in level.cgroups.parents:
        pytest.skip("no memory cgroup can be written on this machine")
    ended = shell("head -c 200m /dev/zero | tail", memory=48 * MIB)
    assert ended.exit_code is None
    assert ended.why == "killed: used more than 48 MiB of memory"
    assert 40 * MIB <= ended.peak_memory <= 48 * MIB


def test_processes_run_out(shell: Shell) -> None:
    ended = shell("for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do sleep 30 & done", processes=10)
    assert ended.exit_code != 0
    assert b"fork" in shell.output


def test_cancelling_ends_it_soon(shell: Shell) -> None:
    begun = time.monotonic()
    ended = shell("sleep 1000.5", cancelled=lambda: time.monotonic() - begun > 0.2)
    assert (ended.by, ended.why) == ("cancel", "killed: cancelled")
    assert time.monotonic() - begun < 5
    assert processes_of("1000.5") == []


def test_what_it_left_in_the_background_ends_with_it(shell: Shell) -> None:
    assert shell("setsid sleep 1000.75 & sleep 1000.75 & echo done").exit_code == 0
    assert shell.output == b"done\n"
    assert processes_of("1000.75") == []


def test_it_leaves_no_descriptor_zombie_or_cgroup(shell: Shell, level: Level) -> None:
    shell("true")
    before = sum(1 for _ in Path("/proc/self/fd").iterdir())
    shell("true")
    assert sum(1 for _ in Path("/proc/self/fd").iterdir()) == before
    assert not any(Path(parent, shell.artifact.name).exists() for parent in level.cgroups.parents.values())
    assert not any(level.scratch.glob(f"{shell.artifact.name}-*"))


def test_without_network_the_loopback_is_its_own(shell: Shell) -> None:
    shell("cat /proc/net/dev", network=False)
    assert [line.split(b":")[0].strip() for line in shell.output.splitlines()[2:]] == [b"lo"]


def test_an_exception_of_the_listener_ends_the_command(shell: Shell) -> None:
    def broken() -> bool:
        raise LookupError("the listener is gone")

    with pytest.raises(LookupError):
        shell("sleep 1000.125", cancelled=broken)
    assert processes_of("1000.125") == []


def test_cpu_time_is_that_of_the_whole_tree(shell: Shell, level: Level) -> None:
    if not level.cgroups.parents:
        pytest.skip("no cgroup can be written on this machine")
    ended = shell("sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'")
    assert ended.cpu_seconds > 0.05


@pytest.mark.parametrize("path", ["relative", "/tmp/../etc/passwd", "/tmp/dir/"])
def test_a_file_is_placed_only_at_an_absolute_path(shell: Shell, path: str) -> None:
    with pytest.raises(CannotStart, match="absolute path"):
        shell("true", files=(Placed(path, b""),))


def test_a_variable_with_nul_is_refused(shell: Shell) -> None:
    with pytest.raises(CannotStart, match="NUL"):
        shell("true", env={"A": "b\0c"})

"""Apps that misbehave: the old version serves, the push says what is wrong, and the neighbours notice nothing."""

from __future__ import annotations

import os

from tests.end_to_end.apps import web
from tests.end_to_end.installation import Installation, pids, read, wait

QUICK = {"highroad.yaml": "health: {http: /, grace: 3}\n"}


def test_an_app_that_exits_at_once_is_told_with_its_last_lines(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    said = developer.ship(web("two", "sys.exit('DATABASE_URL is missing')"))
    assert "DATABASE_URL is missing" in said
    assert "exited with code 1" in said
    assert developer.get() == (200, "one")


def test_an_app_that_is_never_healthy_is_told_with_the_reason(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    said = developer.ship({**web("two", "time.sleep(600)"), **QUICK})
    assert "was not healthy within 3 s" in said
    assert developer.get() == (200, "one")


def test_an_app_that_ignores_sigterm_is_ended(installation: Installation) -> None:
    stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    developer = installation.developer(web("one", stubborn, highroad_yaml="processes:\n  web: {stop_grace: 1}\n"))
    first = _pids(installation, developer.service)
    assert first
    developer.ship(web("two"))
    wait(lambda: not first & _pids(installation, developer.service))
    assert developer.get() == (200, "two")


def test_the_children_of_an_app_end_with_it(installation: Installation) -> None:
    forks = "import subprocess; subprocess.Popen(['sleep', '6543'], start_new_session=True)"
    developer = installation.developer(web("one", forks))
    assert _pids(installation, developer.service, "sleep")
    developer.highroad("stop")
    wait(lambda: not _pids(installation, developer.service))


def test_a_loud_app_keeps_to_its_log_files(installation: Installation) -> None:
    loud = "for _ in range(100): print(('x' * 999 + chr(10)) * 1000, end='')"
    developer = installation.developer(web("one", f"{loud}\nprint('all said', flush=True)"))
    wait(lambda: "all said" in developer.logs())
    logs = installation.settings.logs
    size = sum(file.stat().st_size for file in logs.rglob("*") if file.is_file() and "journal" not in file.parts)
    assert size < 12 * 1024**2
    assert developer.get() == (200, "one")


def test_an_app_cannot_fill_the_disk(installation: Installation) -> None:
    fills = (
        "try:\n    open('/tmp/big', 'wb').write(bytes(64 * 1024**2)); VERSION = 'wrote it'\n"
        "except OSError as error:\n    VERSION = type(error).__name__ + str(error.errno)"
    )
    developer = installation.developer(web("one", fills, highroad_yaml="limits: {disk: 16Mi}\n"))
    status, text = developer.get()
    assert status == 200
    assert text != "wrote it"


def test_an_app_that_eats_memory_is_ended_and_told(installation: Installation) -> None:
    developer = installation.developer(web("one", highroad_yaml="limits: {memory: 64Mi}\n"))
    said = developer.ship(web("two", "eaten = [bytearray(os.urandom(1024) * 1024) for _ in range(512)]"))
    assert "killed" in said or "memory" in said.lower()
    assert developer.get() == (200, "one")


def test_an_app_that_crashes_later_comes_back(installation: Installation) -> None:
    developer = installation.developer(web("one"))
    for pid in _pids(installation, developer.service, "app.py"):
        os.kill(pid, 9)
    wait(lambda: developer.answers("one"))


def _pids(installation: Installation, service: str, word: str = "") -> set[int]:
    """Processes of a service's instances, whose command has `word` in it."""
    mark = f"HIGHROAD_SERVICE={service}\0".encode()
    return {pid for pid in pids() if mark in read(pid, "environ") + b"\0" and word.encode() in read(pid, "cmdline")}

"""The files that the how-to pages show are whole: written down as they stand, they are recognised and run."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from highroad.workload.detect import detect
from highroad.workload.model import Workload
from highroad.workload.source import Source

PAGES = Path(__file__).parents[2] / "docs" / "how-to"
_FILE = re.compile(r"^```\w+\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def written(page: str, directory: Path) -> Workload:
    """Detection on the files of a page, written into the directory."""
    for name, text in _FILE.findall((PAGES / page).read_text()):
        path = directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return detect(Source.at(directory), {"python": "3"})


def answer(port: int, process: subprocess.Popen[bytes]) -> bytes:
    deadline = time.monotonic() + 20
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as response:
                content: bytes = response.read()
                return content
        except urllib.error.URLError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.mark.parametrize(
    ("page", "said"), [("run-workers-and-cron.md", b"open\n"), ("deploy-with-score.md", b"hello\n")]
)
def test_the_web_process_of_a_page_answers(tmp_path: Path, page: str, said: bytes) -> None:
    workload = written(page, tmp_path)
    assert workload.build.language == "python"
    assert workload.http is not None
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    python = tmp_path / "bin" / "python"
    python.parent.mkdir()
    python.symlink_to(sys.executable)
    env = {"PATH": f"{python.parent}:{os.environ['PATH']}", "PORT": str(port), **workload.http.variables}
    process = subprocess.Popen(["sh", "-c", f"exec {workload.http.command}"], cwd=tmp_path, env=env)
    try:
        assert answer(port, process) == said
    finally:
        process.terminate()
        process.wait()


def test_the_scheduled_process_of_the_page_ends_by_itself(tmp_path: Path) -> None:
    workload = written("run-workers-and-cron.md", tmp_path)
    nightly = next(process for process in workload.processes if process.name == "nightly")
    assert nightly.schedule == "30 3 * * *"
    ended = subprocess.run(
        [sys.executable, *nightly.command.split()[1:]], cwd=tmp_path, capture_output=True, timeout=20
    )
    assert ended.stdout == b"nothing was sold\n"
    assert [process.count for process in workload.processes if process.name == "worker"] == [2]

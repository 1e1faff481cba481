"""One probed level and one data directory per test process; every test gets an artifact of its own in it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from highroad.sandbox import cgroups
from highroad.sandbox.level import probe
from highroad.sandbox.model import Confinement, Ended, Level, Placed
from highroad.sandbox.run import never, run
from highroad.settings import Settings

UID = 231_000


@pytest.fixture(scope="session")
def settings() -> Iterator[Settings]:
    data = Path(tempfile.mkdtemp(prefix="hr-"))
    settings = Settings(data)
    settings.make_directories()
    yield settings
    shutil.rmtree(data)


@pytest.fixture(scope="session")
def level(settings: Settings) -> Iterator[Level]:
    level = probe(settings)
    yield level
    cgroups.remove_all(level)


@pytest.fixture
def artifact(settings: Settings) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(dir=settings.artifacts))
    path.chmod(0o755)
    (path / "app.txt").write_text("the app\n")
    yield path
    shutil.rmtree(path)


class Shell:
    """Runs shell commands in the artifact's sandbox and keeps what they wrote."""

    def __init__(self, level: Level, artifact: Path) -> None:
        self.level = level
        self.artifact = artifact
        self.output = b""

    def __call__(
        self,
        command: str,
        *,
        seconds: float = 20.0,
        output_limit: int | None = None,
        cancelled: Callable[[], bool] = never,
        env: Mapping[str, str] | None = None,
        writable: tuple[str, ...] = (),
        files: tuple[Placed, ...] = (),
        memory: int | None = None,
        processes: int | None = None,
        disk: int = 16 * 1024**2,
        network: bool = True,
        ports: tuple[int, ...] | None = None,
    ) -> Ended:
        pieces: list[bytes] = []
        confinement = Confinement(
            argv=("/bin/sh", "-c", command),
            cwd=str(self.artifact),
            name=self.artifact.name,
            env=env or {},
            uid=UID,
            gid=UID,
            readable=(str(self.artifact),),
            writable=writable,
            files=files,
            memory=memory,
            processes=processes,
            disk=disk,
            network=network,
            ports=ports,
        )
        try:
            return run(
                confinement,
                pieces.append,
                level=self.level,
                seconds=seconds,
                output_limit=output_limit,
                cancelled=cancelled,
            )
        finally:
            self.output = b"".join(pieces)


@pytest.fixture
def shell(level: Level, artifact: Path) -> Shell:
    return Shell(level, artifact)

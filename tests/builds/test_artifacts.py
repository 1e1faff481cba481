from __future__ import annotations

import errno
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from highroad.builds.artifacts import ArtifactStore
from highroad.builds.failures import BuildDiskFull
from highroad.builds.model import Artifact

DIGEST = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
LATER = 4_000_000_000.0


def wait() -> None:
    """Nothing to say while waiting."""


def make(store: ArtifactStore, digest: str = DIGEST) -> None:
    with store.making(digest, waiting=wait) as finish:
        store.tree(digest).mkdir()
        finish(Artifact(digest, str(store.tree(digest)), size=7))


def test_an_artifact_is_there_once_it_is_finished(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    with store.making(DIGEST, waiting=wait) as finish:
        store.tree(DIGEST).mkdir()
        assert store.find(DIGEST) is None
        finish(Artifact(DIGEST, "/x"))
    assert store.find(DIGEST) == Artifact(DIGEST, "/x")
    assert store.digests() == (DIGEST,)


def test_an_unfinished_artifact_vanishes(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    with store.making(DIGEST, waiting=wait):
        store.tree(DIGEST).mkdir()
    assert list(tmp_path.glob("[!.]*")) == []


def test_what_a_dead_builder_left_is_swept_away(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    store.tree(DIGEST).mkdir(parents=True)
    (store.tree(DIGEST) / "half").write_text("x")
    with store.making(DIGEST, waiting=wait) as finish:
        assert not store.tree(DIGEST).exists()
        finish(Artifact(DIGEST, "/x"))


def test_a_full_disk_is_said_and_leaves_no_half(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    with pytest.raises(BuildDiskFull), store.making(DIGEST, waiting=wait):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.glob("[!.]*")) == []


def test_pruning_keeps_the_named_and_the_young(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    make(store)
    make(store, OTHER)
    assert store.size() == 14
    assert store.prune({DIGEST}, fresh_seconds=LATER, now=LATER).removed == 0
    pruned = store.prune({DIGEST}, fresh_seconds=60, now=LATER)
    assert (pruned.removed, pruned.freed) == (1, 7)
    assert store.digests() == (DIGEST,)
    assert [path.name for path in (tmp_path / ".locks").iterdir()] == [DIGEST.removeprefix("sha256:")]


def age(store: ArtifactStore, digest: str = DIGEST) -> Path:
    """The artifact was made in 1970."""
    place = store.tree(digest).parent
    for path in (place / "artifact.json", place):
        os.utime(path, (1, 1))
    return place


def test_an_old_artifact_that_a_build_found_again_is_young(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    make(store)
    age(store)
    assert store.find(DIGEST) is not None
    assert store.prune((), fresh_seconds=3600, now=time.time()).removed == 0
    age(store)
    assert store.size() == 7  # measuring is no use of it
    assert store.prune((), fresh_seconds=3600, now=time.time()).freed == 7


def test_an_artifact_found_in_the_moment_of_its_removal_stays(tmp_path: Path) -> None:
    """`find` and `prune` at once, many times: what was found is still whole afterwards."""
    store = ArtifactStore(tmp_path)
    for _ in range(100):
        if not store.digests():
            make(store)
        age(store)
        with ThreadPoolExecutor(2) as pool:
            pruning = pool.submit(store.prune, (), fresh_seconds=3600, now=time.time())
            found = pool.submit(store.find, DIGEST).result()
            pruning.result()
        assert found is None or store.tree(DIGEST).is_dir()

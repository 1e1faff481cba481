from __future__ import annotations

from highroad.builds.model import Artifact, digest_of
from highroad.workload.model import Build


def test_an_artifact_survives_its_json() -> None:
    artifact = Artifact("sha256:ab", "/a/tree", {"PATH": "/bin"}, ("/m",), ("key",), "/a/tree/public", 5, 2, "Static")
    assert Artifact.from_json(artifact.to_json()) == artifact


def test_whatever_decides_the_content_decides_the_digest() -> None:
    def digest(
        tree: str = "t", sub: str = "", commands: tuple[str, ...] = (), key: str = "k", runtime: str = "r"
    ) -> str:
        build = Build(commands=commands)
        return digest_of(tree=tree, subdirectory=sub, build=build, dependencies=key, runtime=runtime)

    variants = [digest(), digest("u"), digest(sub="a"), digest(commands=("x",)), digest(key="l"), digest(runtime="s")]
    assert len(set(variants)) == len(variants)
    assert digest() == digest()
    assert digest().startswith("sha256:")

"""What the README promises stands there word for word; what must not stand in the repository does not."""

from __future__ import annotations

import subprocess
from pathlib import Path

_PROMISE = (
    "git clone <repo> highroad && cd highroad\n"
    "make run          # everything: environment, dependencies, database, portal, Git server, router; "
    "then deploys examples/ by a real git push\n"
    "make test         # the whole test suite\n"
)
# Put together here, so that this file does not contain what it looks for.
_REGISTRIES = tuple(
    ".".join(parts)
    for parts in (("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("debian", "org"))
)


def _files(root: Path) -> list[Path]:
    """Every file that is or would be committed."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    return [file for name in listed.split("\0") if name and (file := root / name).is_file()]


def test_the_readme_opens_with_the_promise(pages: dict[str, str]) -> None:
    assert _PROMISE in "\n".join(pages["README.md"].splitlines()[:15]) + "\n"


def test_no_file_names_a_package_registry(root: Path) -> None:
    named = []
    for file in _files(root):
        text = file.read_bytes().decode(errors="ignore")
        named += [f"{file.relative_to(root)}: {host}" for host in _REGISTRIES if host in text]
    assert named == []


def test_requirements_are_pinned_by_hash(root: Path) -> None:
    for file in sorted((root / "requirements").glob("*.txt")):
        packages = [block for block in file.read_text().split("\n") if block and not block.startswith(" ")]
        assert packages, file.name
        assert all("==" in package and package.endswith("\\") for package in packages), file.name

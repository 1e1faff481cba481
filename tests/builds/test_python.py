"""Python environments from every kind of manifest; wheels made on the spot, installed by the real uv in the sandbox."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from highroad.builds import failures
from highroad.builds.model import Artifact
from highroad.builds.python import installed_packages
from highroad.errors import HighroadError
from highroad.workload.model import Build
from tests.builds.yard import BACKEND, BUILT, Yard

PYPROJECT = Build(language="python", manager="pyproject", lock_file="pyproject.toml")
PIPENV = Build(language="python", manager="pipenv", lock_file="Pipfile.lock")
UV = Build(language="python", manager="uv", lock_file="uv.lock")


def run(artifact: Artifact, *argv: str) -> str:
    """A command as an instance would run it."""
    env = dict(artifact.env)
    return subprocess.run(
        argv, cwd=artifact.directory, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()


def entry(yard: Yard, artifact: Artifact) -> Path:
    return yard.builder.dependencies.root / artifact.dependencies[0]


def test_requirements_become_an_environment_on_the_path(yard: Yard) -> None:
    yard.wheel("tiny")
    artifact = yard.build({"requirements.txt": "tiny\n"})
    assert run(artifact, "sh", "-c", "python -c 'import tiny; print(tiny.VERSION)'") == "1.0"
    assert installed_packages(entry(yard, artifact)) == ("tiny==1.0",)
    assert yard.lines[0].endswith("installing from requirements.txt")
    assert set(artifact.env) >= {"VIRTUAL_ENV", "PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"}


def test_unchanged_requirements_are_not_installed_again(yard: Yard) -> None:
    yard.wheel("tiny")
    first = yard.build({"requirements.txt": "tiny\n", "app.py": "1"}, tree="1")
    second = yard.build({"requirements.txt": "tiny\n", "app.py": "2"}, tree="2")
    assert first.dependencies == second.dependencies
    assert first.digest != second.digest
    assert "1 package from requirements.txt (cached)" in yard.lines[-1]


def test_packages_are_hard_linked_from_the_cache_and_byte_compiled(yard: Yard) -> None:
    yard.wheel("tiny")
    artifact = yard.build({"requirements.txt": "tiny\n"})
    module = next(entry(yard, artifact).glob("venv/lib/*/site-packages/tiny.py"))
    assert module.stat().st_nlink == 2
    compiled = next(module.parent.glob("__pycache__/tiny.*.pyc"))
    assert int.from_bytes(compiled.read_bytes()[4:8], "little") == 0b01  # PEP 552: hash-based, unchecked
    assert run(artifact, "python", "-c", "import tiny; print(tiny.__spec__.cached)") == str(compiled)


def test_scripts_of_packages_run_from_where_the_environment_is(yard: Yard) -> None:
    yard.wheel(
        "tiny",
        files={
            "tiny.py": "def main(): print('hello')\n",
            "tiny-1.0.dist-info/entry_points.txt": "[console_scripts]\ntiny=tiny:main\n",
        },
    )
    assert run(yard.build({"requirements.txt": "tiny\n"}), "sh", "-c", "tiny") == "hello"


def test_included_requirement_files_count(yard: Yard) -> None:
    yard.wheel("tiny")
    yard.wheel("other")
    files = {"requirements.txt": "-r more/all.txt\n", "more/all.txt": "tiny\n"}
    first = yard.build(files)
    second = yard.build({**files, "more/all.txt": "tiny\nother\n"}, tree="2")
    assert first.dependencies != second.dependencies
    assert len(installed_packages(entry(yard, second))) == 2


def test_pyproject_dependencies_are_installed_and_its_scripts_are_there(yard: Yard) -> None:
    yard.wheel("tiny")
    project = (
        '[project]\nname = "hello"\nversion = "1"\ndependencies = ["tiny"]\n[project.scripts]\nhello = "hello:main"\n'
    )
    files = {"pyproject.toml": project, "src/hello/__init__.py": "import tiny\ndef main(): print('hi', tiny.VERSION)\n"}
    artifact = yard.build(files, PYPROJECT)
    assert run(artifact, "sh", "-c", "hello") == "hi 1.0"


def test_a_pipfile_lock_is_installed_with_its_versions(yard: Yard) -> None:
    yard.wheel("tiny", "1.0")
    yard.wheel("tiny", "2.0")
    lock = {"default": {"tiny": {"version": "==1.0", "markers": "python_version >= '3.8'"}}, "develop": {"x": {}}}
    artifact = yard.build({"Pipfile.lock": json.dumps(lock)}, PIPENV)
    assert installed_packages(entry(yard, artifact)) == ("tiny==1.0",)


def test_a_uv_lock_is_installed_without_the_development_group(yard: Yard, tmp_path: Path) -> None:
    for name in ("tiny", "other"):
        yard.wheel(name)
    project = '[project]\nname = "hello"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["tiny"]\n'
    files = {"pyproject.toml": f'{project}[dependency-groups]\ndev = ["other"]\n', "uv.lock": _locked(tmp_path, yard)}
    artifact = yard.build(files, UV)
    assert installed_packages(entry(yard, artifact)) == ("tiny==1.0",)


def _locked(tmp_path: Path, yard: Yard) -> str:
    """What `uv lock` writes for that project, with the yard's wheels as its only source."""
    project = tmp_path / "locking"
    project.mkdir()
    text = '[project]\nname = "hello"\nversion = "1"\nrequires-python = ">=3.9"\ndependencies = ["tiny"]\n'
    (project / "pyproject.toml").write_text(f'{text}[dependency-groups]\ndev = ["other"]\n')
    uv = yard.builder.tools().uv.path
    environ = {"PATH": os.environ["PATH"], "UV_FIND_LINKS": str(yard.wheels), "UV_CACHE_DIR": str(tmp_path / "cache")}
    python = yard.builder.tools().default_python.path
    subprocess.run(
        [uv, "lock", "--offline", "--python", python], cwd=project, env=environ, check=True, capture_output=True
    )
    return (project / "uv.lock").read_text()


def test_a_project_without_dependencies_still_has_its_python(yard: Yard) -> None:
    artifact = yard.build({"app.py": "print(1)"}, Build(language="python", version="3.11"))
    assert run(artifact, "sh", "-c", "python app.py") == "1"


def test_a_package_in_the_repository_is_built_in_a_copy(yard: Yard) -> None:
    files = {"requirements.txt": "-e .\n", "pyproject.toml": BUILT, "backend.py": BACKEND, "hello.py": "X = 1\n"}
    artifact = yard.build(files)
    assert {path.name for path in Path(artifact.directory).iterdir()} == set(files)
    assert run(artifact, "sh", "-c", "cd / && python -c 'import hello; print(hello.X)'") == "1"
    assert yard.build({**files, "hello.py": "X = 2\n"}, tree="2").dependencies != artifact.dependencies


def test_code_of_packages_never_runs_where_the_shared_cache_is_writable(yard: Yard) -> None:
    yard.builder.dependencies.cache("uv")
    files = {
        f"hello/{name}": text for name, text in {"pyproject.toml": BUILT, "backend.py": BACKEND, "hello.py": ""}.items()
    }
    yard.build({"requirements.txt": "./hello\n", **files})
    seen = next(yard.builder.dependencies.root.glob("*/venv/lib/*/site-packages/seen.txt")).read_text()
    assert "partial" in seen
    assert "'uv'" not in seen


def test_a_package_without_a_wheel_is_built_from_source(yard: Yard) -> None:
    yard.sdist("tiny", backend=BACKEND)
    artifact = yard.build({"requirements.txt": "tiny\n"})
    assert installed_packages(entry(yard, artifact)) == ("tiny==1",)
    assert any("no wheel for this machine" in line for line in yard.lines)


@pytest.mark.parametrize(
    "requirements",
    [
        "evil\n",
        "--only-binary :none:\nevil\n",
        "--no-binary evil\nevil\n",
        "--only-\\\nbinary=:none:\nevil\n",
        "--only-binary \\\n  :none:\nevil\n",
        "-r more.txt\n",
        "-rmore.txt\n",
        "--requirement=more.txt\n",
        "   -c more.txt\nevil\n",
    ],
)
def test_no_option_of_a_repository_has_code_run_near_the_cache(yard: Yard, requirements: str) -> None:
    """The build of this source distribution would write into the shared cache."""
    yard.sdist("evil", backend="import os; open(os.environ['UV_CACHE_DIR'] + '/poisoned', 'w').close()\n" + BACKEND)
    settings = "[tool.uv]\nno-build = false\n[tool.uv.pip]\nno-build = false\nonly-binary = [':none:']\n"
    files = {"more.txt": "--only-binary :none:\nevil\n", "pyproject.toml": settings, "uv.toml": "no-build = false\n"}
    with suppress(failures.BuildFailed):  # uv refuses some of these spellings
        yard.build({**files, "requirements.txt": requirements})
    assert "poisoned" not in {path.name for path in yard.builder.dependencies.cache("uv").iterdir()}


def test_a_repository_cannot_redirect_the_installation(yard: Yard) -> None:
    yard.wheel("tiny")
    target = yard.builder.dependencies.cache("uv") / "elsewhere"
    artifact = yard.build({"requirements.txt": "tiny\n", "pyproject.toml": f"[tool.uv.pip]\ntarget = '{target}'\n"})
    assert not target.exists()
    assert installed_packages(entry(yard, artifact)) == ("tiny==1.0",)


@pytest.mark.parametrize(
    ("requirements", "kind", "said"),
    [
        ("tiny==9\n", failures.NoMatchingVersion, "tiny"),
        ("nowhere\n", failures.PackageNotFound, "nowhere"),
        ("one\ntwo\n", failures.DependencyConflict, "exclude each other"),
        ("=== ?\n", failures.BadManifest, "cannot be read"),
        ("-r absent.txt\n", failures.BadManifest, "absent.txt does not exist"),
        ("-r ../../../settings.json\n", failures.LeavesTheTree, "settings.json"),
    ],
)
def test_what_cannot_be_installed_is_said_in_one_line(
    yard: Yard, requirements: str, kind: type[HighroadError], said: str
) -> None:
    yard.wheel("tiny", "1.0")
    yard.wheel("tiny", "2.0")
    for name, version in (("one", "1.0"), ("two", "2.0")):
        info = f"{name}-1.0.dist-info/METADATA"
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\nRequires-Dist: tiny=={version}\n"
        yard.wheel(name, files={f"{name}.py": "", info: metadata})
    with pytest.raises(kind) as caught:
        yard.build({"requirements.txt": requirements})
    assert said in caught.value.detail
    assert yard.builder.dependencies.keys() == ()


def test_a_python_that_the_machine_lacks_is_named(yard: Yard) -> None:
    with pytest.raises(failures.WrongRuntime, match=r"2\.7 is asked for"):
        yard.build({"app.py": ""}, Build(language="python", version="2.7"))


def test_two_builds_that_need_the_same_dependencies_install_them_once(yard: Yard) -> None:
    yard.wheel("tiny")
    threads = [
        threading.Thread(target=lambda number=number: yard.build({"requirements.txt": "tiny"}, tree=str(number)))
        for number in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(100)
    assert sum("installed," in line for line in yard.lines) == 1
    assert len(yard.builder.artifacts.digests()) == 3


def test_dependencies_that_were_pruned_come_back(yard: Yard) -> None:
    yard.wheel("tiny")
    artifact = yard.build({"requirements.txt": "tiny\n"})
    yard.builder.dependencies.prune(in_use=(), keep_bytes=0, keep_seconds=0, fresh_seconds=0)
    assert not entry(yard, artifact).exists()
    assert yard.build({"requirements.txt": "tiny\n"}) == artifact
    assert run(artifact, "sh", "-c", "python -c 'import tiny; print(1)'") == "1"

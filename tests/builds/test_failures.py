from __future__ import annotations

import pytest

from highroad.builds import failures
from highroad.builds.failures import BuildFailed, diagnose
from highroad.errors import HighroadError

UV = "error: No solution found when resolving dependencies\n  cause: "
CASES: list[tuple[type[HighroadError], str, str]] = [
    (
        failures.NoMatchingVersion,
        "flask",
        f"{UV}Because there is no version of flask==99.1 and you require it, your requirements are unsatisfiable.",
    ),
    (
        failures.NoMatchingVersion,
        "six",
        f"{UV}Because only six<=1.17.0 is available and you require six>=2, your requirements are unsatisfiable.",
    ),
    (
        failures.PackageNotFound,
        "zzz-none",
        f"{UV}Because zzz-none was not found in the package registry and you require zzz-none, we can conclude ...",
    ),
    (
        failures.DependencyConflict,
        "exclude each other",
        f"{UV}Because flask==3.1.0 depends on werkzeug>=3.1 and you require werkzeug==2.0.0, we can conclude that your"
        " requirements are unsatisfiable.",
    ),
    (
        failures.WrongRuntime,
        ">=3.13",
        f"{UV}Because the current Python version (3.11.7) does not satisfy Python>=3.13 and your project ...",
    ),
    (failures.CompilerMissing, "compiled", "error: command 'gcc' failed: No such file or directory"),
    (failures.CompilerMissing, "compiled", "foo.c:1:10: fatal error: libpq-fe.h: No such file or directory"),
    (
        failures.PackageNotFound,
        "left-padd",
        "npm error 404 Not Found - GET https://registry.example/left-padd - Not found",
    ),
    (
        failures.PackageNotFound,
        "@acme/ui",
        "npm error code E404\nnpm error 404 Not Found - GET https://registry.example/npm/@acme%2fui - Not found",
    ),
    (failures.NoMatchingVersion, "is-odd@33", "npm error notarget No matching version found for is-odd@33."),
    (failures.DependencyConflict, "peer", "npm error code ERESOLVE\nnpm error ERESOLVE unable to resolve"),
    (
        failures.LockOutdated,
        "lock file",
        "npm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.",
    ),
    (failures.ScriptMissing, '"build"', 'npm error Missing script: "build"'),
    (failures.ScriptMissing, "vite", "sh: 1: vite: not found"),
    (failures.BuildOutOfMemory, "memory", "FATAL ERROR: Reached heap limit - JavaScript heap out of memory"),
    (failures.BuildDiskFull, "disk", "OSError: [Errno 28] No space left on device"),
    (failures.RegistryUnreachable, "did not answer", "npm error code ENOTFOUND"),
    (failures.BadManifest, "cannot be read", "error: Couldn't parse requirement in `requirements.txt` at position 0"),
]


@pytest.mark.parametrize(("kind", "said", "output"), CASES)
def test_the_cause_is_found_in_a_tools_output(kind: type[HighroadError], said: str, output: str) -> None:
    error = diagnose(output.splitlines(), doing="installing", ended="exit code 1")
    assert type(error) is kind
    assert said in error.detail
    assert "\n" not in error.detail
    assert error.next_step


def test_an_unknown_failure_shows_its_last_line() -> None:
    error = diagnose(["Starting", "It broke: flux capacitor", ""], doing="running `make`", ended="exit code 3")
    assert type(error) is BuildFailed
    assert error.detail == "Running `make` failed with exit code 3. It ended with: It broke: flux capacitor"


def test_a_full_disk_is_told_apart_from_the_conflict_it_causes() -> None:
    lines = ["your requirements are unsatisfiable", "No space left on device (os error 28)"]
    assert type(diagnose(lines, doing="installing", ended="exit code 2")) is failures.BuildDiskFull

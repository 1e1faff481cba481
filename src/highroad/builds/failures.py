"""Why a build failed, in one line and with what to do next. All of builds raises these; `pipelines` shows them.

The package tools answer in pages. `diagnose` looks for the line that matters with patterns of their real output, so
that the last thing a developer reads is the cause.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from highroad.errors import HighroadError, Invalid, Unavailable


class BuildFailed(Invalid):
    code = "build-failed"
    title = "The build failed"


class PackageNotFound(BuildFailed):
    code = "package-not-found"
    title = "A dependency does not exist"


class NoMatchingVersion(BuildFailed):
    code = "no-matching-version"
    title = "No version of a dependency fits"


class DependencyConflict(BuildFailed):
    code = "dependency-conflict"
    title = "Dependencies contradict each other"


class CompilerMissing(BuildFailed):
    code = "compiler-missing"
    title = "A dependency must be compiled and cannot be"


class WrongRuntime(BuildFailed):
    code = "wrong-runtime"
    title = "The language version does not fit"


class LockOutdated(BuildFailed):
    code = "lock-outdated"
    title = "The lock file does not agree with the manifest"


class ScriptMissing(BuildFailed):
    code = "script-missing"
    title = "A command that the build calls does not exist"


class RegistryUnreachable(BuildFailed):
    code = "registry-unreachable"
    title = "The package registry cannot be reached"


class BuildTimedOut(BuildFailed):
    code = "build-timed-out"
    title = "The build took too long"


class BuildOutOfMemory(BuildFailed):
    code = "build-out-of-memory"
    title = "The build needed more memory than it may use"


class BuildTooLoud(BuildFailed):
    code = "build-too-loud"
    title = "The build printed more than is kept"


class BuildCancelled(BuildFailed):
    code = "build-cancelled"
    title = "The build was cancelled"


class BadManifest(BuildFailed):
    code = "bad-manifest"
    title = "A manifest or lock file cannot be read"


class LeavesTheTree(BuildFailed):
    code = "leaves-the-tree"
    title = "A path leads outside the repository"


class NothingToPublish(BuildFailed):
    code = "nothing-to-publish"
    title = "The directory to publish does not exist"


class ToolchainMissing(BuildFailed):
    code = "toolchain-missing"
    title = "A language is not installed on this machine"


class SourceGone(BuildFailed):
    code = "source-gone"
    title = "The checked-out source is not there"


class SubdirectoryMissing(BuildFailed):
    code = "subdirectory-missing"
    title = "The service's directory does not exist"


class BuildDiskFull(Unavailable):
    code = "build-disk-full"
    title = "The disk is full"


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: re.Pattern[str]
    kind: type[HighroadError]
    cause: str
    next_step: str


def _pattern(regex: str, kind: type[HighroadError], cause: str, next_step: str) -> _Pattern:
    return _Pattern(re.compile(regex, re.IGNORECASE | re.MULTILINE), kind, cause, next_step)


_FREE_SPACE = "Free space on the machine, in particular where Highroad keeps its data, then push again."

# The order is the order of trust: a full disk or a dead network also makes tools print what looks like a conflict.
_PATTERNS = (
    _pattern(
        r"no space left on device|ENOSPC|os error 28\b|disk quota exceeded",
        BuildDiskFull,
        "The disk is full.",
        _FREE_SPACE,
    ),
    _pattern(
        r"JavaScript heap out of memory|MemoryError\b|Cannot allocate memory|ENOMEM",
        BuildOutOfMemory,
        "The build ran out of memory.",
        "Raise HIGHROAD_BUILD_MEMORY, or make the build smaller (fewer workers, no source maps).",
    ),
    _pattern(
        r"(?:requires-python|Requires-Python|the (?:current|requested) Python version) ?\(?[^\n]*?does not satisfy"
        r" ?Python ?(?P<want>[><=!~.,\w*]+)",
        WrongRuntime,
        "The dependencies need Python {want}, and this build runs another version.",
        "Set `build: {{version: ...}}` in highroad.yaml to a Python that the machine has, or change the dependency.",
    ),
    _pattern(
        r"EBADENGINE[^\n]*\n[^\n]*|npm error code EBADENGINE",
        WrongRuntime,
        "A package does not support this Node version.",
        "Change `engines` or the package's version to one that supports the installed Node.",
    ),
    _pattern(
        r"`npm ci` can only install packages when your package\.json and package-lock\.json|"
        r"ERR_PNPM_OUTDATED_LOCKFILE|lockfile needs to be updated|The lockfile would have been modified|"
        r"lock ?file at `uv\.lock` needs to be updated",
        LockOutdated,
        "The lock file does not agree with the manifest.",
        "Run the package tool's install (`npm install`, `uv lock`, `pnpm install`) locally and commit the lock file.",
    ),
    _pattern(
        r"ERESOLVE|unable to resolve dependency tree|Conflicting peer dependency: (?P<what>\S+)",
        DependencyConflict,
        "Packages ask for peer dependencies that exclude each other.",
        "Run `npm ls` locally to see which, and align their versions in package.json.",
    ),
    _pattern(
        r"Because (?:there is no version of|only) (?P<what>[\w.\-\[\]]+?)"
        r"(?:(?P<spec>[=<>!~][^\s]*)| ?(?P<only>[<>=][^\n]*?) (?:is|are) available)",
        NoMatchingVersion,
        "No version of {what} fits what is asked for.",
        "Check the version in the requirements; versions that were yanked or need another Python do not count.",
    ),
    _pattern(
        r"No matching version found for (?P<what>\S+?)\.?$|notarget No matching version found for (?P<also>\S+?)\.?$",
        NoMatchingVersion,
        "There is no version {what} in the registry.",
        "Correct the version in package.json and update the lock file.",
    ),
    _pattern(
        r"Could not find a version that satisfies the requirement (?P<what>\S+)",
        NoMatchingVersion,
        "No version of {what} fits what is asked for.",
        "Check its name and version in the requirements.",
    ),
    _pattern(
        r"(?:Because )?(?P<what>[\w.\-]+) was not found in (?:the package registry|the provided package locations|"
        r"the cache)",
        PackageNotFound,
        "There is no package named {what} in the registry.",
        "Check its spelling in the requirements, or set UV_INDEX_URL for Highroad if it is in your own registry.",
    ),
    _pattern(
        r"404 Not Found - GET \w+://[^/\s]+/(?:[\w.~-]+/)*?(?P<what>(?:@|%40)?[\w.%\-]+)(?:/-/\S*)?(?: - |\s|$)|"
        r"'(?P<also>[^'\s]+)@[^']*'"
        r" is not in this registry",
        PackageNotFound,
        "There is no package named {what} in the registry.",
        "Check its spelling in package.json, or set NPM_CONFIG_REGISTRY for Highroad if it is in your own registry.",
    ),
    _pattern(
        r"your requirements are unsatisfiable|conflicting dependencies|ResolutionImpossible",
        DependencyConflict,
        "Dependencies ask for versions that exclude each other.",
        "Read the lines above for the two that conflict, and loosen or change one.",
    ),
    _pattern(
        r"(?:command|program) ['\"`]?(?P<what>gcc|cc|c\+\+|g\+\+|clang|x86_64-linux-gnu-gcc|rustc|cargo|cmake|make)"
        r"['\"`]? (?:failed: No such file|not found)|error: command '(?P<also>[^']*(?:gcc|cc|clang|\+\+))' failed|"
        r"can't find Rust compiler|not found: make|gyp ERR! (?:stack|build error)|"
        r"fatal error: (?P<header>[\w./+-]+\.h):",
        CompilerMissing,
        "A dependency has no ready-made build for this machine and could not be compiled.",
        "Choose a version that comes with a wheel or prebuilt binary, or install the compiler and headers it names.",
    ),
    _pattern(
        r"(?:npm error|ERR!) Missing script: [\"'](?P<what>[^\"']+)[\"']|"
        r"ERR_PNPM_NO_SCRIPT\S* +Missing script: (?P<also>\S+)",
        ScriptMissing,
        'package.json has no script "{what}".',
        "Add it under `scripts`, or change `build: commands:` in highroad.yaml.",
    ),
    _pattern(
        r"(?:sh|bash)(?:: line)?:? ?\d*: (?P<what>[^\s:]+): (?:command )?not found|exec: (?P<also>[^\s:]+): not found",
        ScriptMissing,
        "The command {what} does not exist in the build.",
        "Add the package that brings it to the dependencies, or correct the command in highroad.yaml.",
    ),
    _pattern(
        r"ModuleNotFoundError: No module named '(?P<what>[^']+)'|Cannot find (?:module|package) '(?P<also>[^']+)'",
        ScriptMissing,
        "The module {what} is not installed.",
        "Add it to the dependencies and push again.",
    ),
    _pattern(
        r"error: Failed to fetch|Connection refused|ECONNREFUSED|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|dns error|"
        r"Could not connect|error sending request",
        RegistryUnreachable,
        "The package registry did not answer.",
        "Push again; if it stays so, check Highroad's network and UV_INDEX_URL, PIP_INDEX_URL or NPM_CONFIG_REGISTRY.",
    ),
    _pattern(
        r"Failed to parse|expected '-c', '-e', '-r' or the start of a requirement|"
        r"Couldn't parse requirement|EJSONPARSE|Invalid requirement",
        BadManifest,
        "The manifest cannot be read.",
        "Correct the line that is named above.",
    ),
)


def diagnose(lines: Sequence[str], *, doing: str, ended: str) -> HighroadError:
    """The most telling error for a command that failed.

    `lines` are its last lines, `doing` what it was for ("installing gems"), `ended` how it ended ("exit code 1").
    """
    text = "\n".join(lines)
    for pattern in _PATTERNS:
        found = pattern.regex.search(text)
        if found is None:
            continue
        groups = {name: value for name, value in found.groupdict().items() if value}
        what = groups.get("what") or groups.get("also") or "it"
        cause = pattern.cause.format(**{**groups, "what": what.replace("%2f", "/").replace("%40", "@")})
        return pattern.kind(f"{cause} ({doing})", next_step=pattern.next_step.replace("{{", "{").replace("}}", "}"))
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    said = f" It ended with: {last[:200]}" if last else " It printed nothing."
    return BuildFailed(
        f"{doing[:1].upper()}{doing[1:]} failed with {ended}.{said}",
        next_step="Read the lines above, try the same command locally, and push the correction.",
    )


def disk_full(doing: str) -> BuildDiskFull:
    return BuildDiskFull(
        f"The disk is full. ({doing})",
        next_step=_FREE_SPACE,
    )


def timed_out(doing: str, seconds: float) -> BuildTimedOut:
    return BuildTimedOut(
        f"{doing[:1].upper()}{doing[1:]} took longer than {seconds:g} s and was ended.",
        next_step="Make it faster, or raise HIGHROAD_BUILD_SECONDS.",
    )

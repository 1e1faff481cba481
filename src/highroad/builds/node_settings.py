"""Whether a repository's settings for its package tool are harmless; `node` asks before it lends the shared cache.

Some settings name programs that the tool starts (`git` and `script-shell` of npm, plugins of yarn, hooks of pnpm), and
new ones come with every release. Whatever is not known as harmless therefore only costs the project the shared cache:
it installs with one of its own, where its code can spoil nobody's packages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

_NPM = re.compile(
    r"registry|@[^:=/\s]+:registry|//[^=\s]+:(?:_authToken|_auth|_password|username|email|always-auth|cafile)"
    r"|always-auth|legacy-peer-deps|(?:auto-install|strict)-peer(?:s|-deps|-dependencies)|save-exact|save-prefix"
    r"|engine-strict|fund|audit|loglevel|progress|package-lock|lockfile|prefer-offline|install-strategy|install-links"
    r"|node-linker|shamefully-hoist|(?:public-)?hoist(?:-pattern(?:\[\])?)?|resolution-mode|link-workspace-packages"
    r"|prefer-workspace-packages|dedupe-peer-dependents|inject-workspace-packages|ignore-workspace-root-check"
    r"|fetch-(?:retries|timeout|retry-\w+)|network-timeout|maxsockets|optional|include|omit|min-release-age"
)
_YARN = re.compile(
    r"registry|@[^:/\s]+:registry|network-timeout|network-concurrency|save-prefix|save-exact|ignore-engines"
    r"|--install\.(?:ignore-engines|network-timeout)|lastUpdateCheck|yarn-path|disable-self-update-check|strict-ssl"
)
# `yarnPath` is harmless because YARN_IGNORE_PATH is set.
_BERRY = re.compile(
    r"yarnPath|nodeLinker|npmRegistryServer|npmRegistries|npmScopes|npmAuthToken|npmAuthIdent|npmAlwaysAuth"
    r"|npmMinimalAgeGate|enable(?:Telemetry|ProgressBars|Scripts|ImmutableInstalls|InlineBuilds|Timers|Colors)"
    r"|packageExtensions|compressionLevel|nmHoistingLimits|nmMode|checksumBehavior|logFilters|http(?:Timeout|Retry)"
    r"|networkConcurrency|supportedArchitectures|defaultSemverRangePrefix|telemetryInterval"
)
_PNPM = re.compile(
    r"packages|catalogs?|overrides|packageExtensions|peerDependencyRules|allowedDeprecatedVersions"
    r"|(?:only|ignored|never)BuiltDependencies|allowBuilds|nodeLinker|shamefullyHoist|(?:public)?[hH]oist(?:Pattern)?"
    r"|linkWorkspacePackages|preferWorkspacePackages|injectWorkspacePackages|autoInstallPeers|strictPeerDependencies"
    r"|resolutionMode|saveExact|savePrefix|catalogMode|engineStrict|minimumReleaseAge(?:Exclude)?|supportedArchitectures"
)
_LINE_WITH_EQUALS = re.compile(r"([^=\s]+)\s*(?:=.*)?")
_LINE_WITH_SPACE = re.compile(r"[\"']?([^\"'\s]+)[\"']?(?:\s.*)?")
_TOP_LEVEL_KEY = re.compile(r"([A-Za-z]+)\s*:(?:\s.*)?")


def harmless(files: Mapping[str, bytes]) -> bool:
    """Whether no settings file among `files` (contents by path) says anything but what is known to start no program."""
    return all(
        _harmless(PurePosixPath(path).name, content.decode("utf-8", "replace")) for path, content in files.items()
    )


def _harmless(name: str, text: str) -> bool:
    lines = [line for line in text.splitlines() if line.strip()]
    match name:
        case ".npmrc":
            return _all_known([line.strip() for line in lines if line.strip()[0] not in "#;"], _LINE_WITH_EQUALS, _NPM)
        case ".yarnrc":
            return _all_known([line.strip() for line in lines if line.strip()[0] != "#"], _LINE_WITH_SPACE, _YARN)
        case ".yarnrc.yml":
            return _all_known(_outermost(lines), _TOP_LEVEL_KEY, _BERRY)
        case "pnpm-workspace.yaml":
            return _all_known(_outermost(lines), _TOP_LEVEL_KEY, _PNPM)
        case _:
            return True


def _outermost(lines: list[str]) -> list[str]:
    """The lines of a YAML document's outermost mapping. Below a first line that is not indented, what is indented, or
    an item of a list, belongs to the key above it."""
    told = [line for line in lines if not line.lstrip().startswith("#")]
    return told[:1] + [line for line in told[1:] if not line.startswith((" ", "- "))]


def _all_known(lines: list[str], form: re.Pattern[str], known: re.Pattern[str]) -> bool:
    matches = (form.fullmatch(line) for line in lines)
    return all(found is not None and known.fullmatch(found[1]) is not None for found in matches)

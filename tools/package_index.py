"""Tell uv where pip would look for packages. Run by `tools/bootstrap`, which evaluates what this prints.

uv reads neither pip.conf nor PIP_* variables, yet those are where companies name their package mirror, its certificate
and its time-out. A UV_* variable that is already set wins. Output: `export NAME=value` lines for a POSIX shell.
"""

from __future__ import annotations

import ast
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping

# Later wins, as in pip: files are listed before the environment, and `install` is more specific than `global`.
_SECTIONS = ("global", "install", ":env:")


def parse(listing: str) -> dict[str, str]:
    """Options by name out of `pip config list` (`section.option='value'` a line, the value in Python's notation)."""
    options: dict[str, str] = {}
    for section in _SECTIONS:
        for line in listing.splitlines():
            key, _, value = line.partition("=")
            if key.startswith(f"{section}."):
                options[key.removeprefix(f"{section}.")] = str(ast.literal_eval(value))
    return options


def for_uv(options: Mapping[str, str], environ: Mapping[str, str]) -> dict[str, str]:
    """The variables by which uv does what pip's `options` say, without those that `environ` already has."""
    told: dict[str, str] = {}
    if "index-url" in options:
        told["UV_DEFAULT_INDEX"] = options["index-url"]
    if "extra-index-url" in options:
        told["UV_INDEX"] = " ".join(options["extra-index-url"].split())
        # pip takes the best version of all indexes; uv would stop at the first index that knows the name. The usual
        # objection, somebody else's package under a name of ours, does not hold here: every file is checked by hash.
        told["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    if "find-links" in options:
        told["UV_FIND_LINKS"] = ",".join(options["find-links"].split())
    if "trusted-host" in options:
        told["UV_INSECURE_HOST"] = " ".join(options["trusted-host"].split())
    if options.get("no-index", "").lower() in {"1", "true", "yes", "on"}:
        told["UV_NO_INDEX"] = "1"
    if "cert" in options:
        told["SSL_CERT_FILE"] = options["cert"]
    if "proxy" in options:
        told["ALL_PROXY"] = options["proxy"]
    seconds = options.get("timeout") or options.get("default-timeout")
    if seconds:
        told["UV_HTTP_TIMEOUT"] = str(round(float(seconds)))
    return {name: value for name, value in told.items() if not environ.get(name)}


def main() -> None:
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    for name, value in for_uv(parse(listing), os.environ).items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()

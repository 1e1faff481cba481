"""What `make run` does once the dependencies are there: start Highroad, then deploy an example as a developer would.

It uses nothing but the commands a user has: `highroad up`, `highroad login`, `highroad init` and a real `git push`. The
example is copied into the data directory and the demo keeps its own CLI configuration there, so that neither the
checkout nor the user's own login is touched. Run it again: a running Highroad is left alone and an unchanged example
is not pushed twice.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "python-web"
_URL = re.compile(r"https?://\S+")
_GIT_AUTHOR = ("-c", "user.name=Highroad demo", "-c", "user.email=demo@localhost", "-c", "commit.gpgsign=false")


class Failed(Exception):
    """A command of the demo failed; `args[0]` says which and what to do. Its own output was already shown."""


@dataclass(frozen=True, slots=True)
class Installation:
    """What `highroad up --json` prints of use here: the portal's address and a one-time sign-in link."""

    url: str
    sign_in: str


def start(port: int | None, environ: Mapping[str, str]) -> Installation:
    """`highroad up`, whose progress goes to stderr; one JSON object is its standard output."""
    command = ["highroad", "up", "--json", *(["--port", str(port)] if port else [])]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Failed("Highroad did not start (its message is above).")
    answer = json.loads(done.stdout)
    return Installation(url=answer["url"], sign_in=answer["sign_in_link"])


def prepare(repository: Path, environ: Mapping[str, str]) -> bool:
    """Make `repository` a Git repository with the example as it is in the checkout. True when there is a new commit."""
    if not (repository / ".git").exists():
        repository.mkdir(parents=True, exist_ok=True)
        call(["git", "init", "--quiet", "--initial-branch=main", "."], repository, environ)
    for old in repository.iterdir():
        if old.name != ".git":
            shutil.rmtree(old) if old.is_dir() else old.unlink()
    shutil.copytree(EXAMPLE, repository, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__", ".*_cache"))
    call(["git", "add", "--all"], repository, environ)
    if subprocess.run(["git", "diff", "--cached", "--quiet"], cwd=repository, env=environ, check=False).returncode == 0:
        return False
    call(["git", *_GIT_AUTHOR, "commit", "--quiet", "--message", "The python-web example"], repository, environ)
    return True


def push(repository: Path, environ: Mapping[str, str]) -> str:
    """`git push highroad main`, shown line by line. Returns the live address that the push ends with."""
    live = ""
    command = ["git", "push", "highroad", "main"]
    with subprocess.Popen(
        command, cwd=repository, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            print(f"  {line}", end="", flush=True)
            if line.startswith("remote:") and (found := _URL.search(line)):
                live = found.group()
    if running.returncode or not live:
        raise Failed("The example was not deployed (its log is above).")
    return live


def call(command: Sequence[str], directory: Path, environ: Mapping[str, str]) -> None:
    if subprocess.run(command, cwd=directory, env=environ, check=False).returncode:
        raise Failed(f"`{' '.join(command)}` failed in {directory} (its message is above).")


def deploy(installation: Installation, place: Path, environ: Mapping[str, str]) -> str:
    """Deploy the example and return its address. `place` keeps the repository and the address between two runs."""
    repository, known = place / "python-web", place / "live-url"
    changed = prepare(repository, environ)
    if not changed and known.exists():
        return known.read_text().strip()
    # Needs no password: this user can read the installation's data directory.
    call(["highroad", "login", installation.url], repository, environ)
    call(["highroad", "init", "--project", "examples", "--service", "python-web"], repository, environ)
    print("\n$ git push highroad main")
    live = push(repository, environ)
    known.write_text(f"{live}\n")
    return live


def closing(installation: Installation, live: str, data: Path) -> str:
    return f"""
Highroad is running.

  Portal         {installation.url}
  Sign in        {installation.sign_in}   (works once)
  Live example   {live}

Next, in a repository of yours:

  export PATH="{ROOT}/.venv/bin:$PATH" HIGHROAD_DATA="{data}"
  highroad login {installation.url}
  highroad init
  git push highroad main

`highroad status` shows what runs, `highroad down` stops it.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Start Highroad and deploy examples/python-web by a git push.")
    parser.add_argument("--port", type=int, help="the port of everything (default: HIGHROAD_PORT, else 8080)")
    options = parser.parse_args(arguments)
    data = Path(os.environ.get("HIGHROAD_DATA") or ROOT / ".highroad").expanduser().absolute()
    place = data / "demo"
    environ = {
        **os.environ,
        "HIGHROAD_DATA": str(data),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "XDG_CONFIG_HOME": str(place / "config"),
        "GIT_TERMINAL_PROMPT": "0",
    }
    try:
        installation = start(options.port, environ)
        live = deploy(installation, place, environ)
    except Failed as error:
        print(f"\n{error.args[0]}\nHighroad's own logs are in {data / 'logs'}.", file=sys.stderr)
        return 1
    print(closing(installation, live, data))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Every command, in the order and groups of the help, with where it is implemented: data, and the help made of it.

`main` prints the help from here without importing anything else, which is why it appears at once; `root` loads a
command's module when it is run. A new command is one line here and one function there.
"""

from __future__ import annotations

from typing import NamedTuple


class Entry(NamedTuple):
    """One command: its `name`, a one-line `summary`, and the click command `attribute` of `highroad.cli.<module>`."""

    name: str
    summary: str
    module: str
    attribute: str


GROUPS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    (
        "Begin",
        (
            Entry("login", "Sign in to an installation", "sign_in", "login"),
            Entry("logout", "Sign out and revoke this machine's token", "sign_in", "logout"),
            Entry("whoami", "Show who you are, and where", "sign_in", "whoami"),
            Entry("init", "Connect this repository to a service", "init", "init"),
        ),
    ),
    (
        "Ship",
        (
            Entry("plan", "Show what a deployment would change", "ship", "plan"),
            Entry("deploy", "Build, test and deploy a branch again, without a push", "ship", "deploy"),
            Entry("rollback", "Put an earlier release back", "ship", "rollback"),
            Entry("releases", "List the releases of the service", "ship", "releases"),
            Entry("scale", "Set how many instances run: web=2 worker=1", "ship", "scale"),
            Entry("restart", "Restart all instances without a gap", "ship", "restart"),
            Entry("stop", "Stop all instances", "ship", "stop"),
            Entry("start", "Start a stopped service", "ship", "start"),
            Entry("config", "List, set, unset and import variables", "configuration", "config"),
            Entry("approvals", "List and show deployments that wait", "approvals", "approvals"),
            Entry("approve", "Approve a deployment that waits", "approvals", "approve"),
            Entry("refuse", "Refuse a deployment that waits", "approvals", "refuse"),
            Entry("break-glass", "Pass closed gates in an emergency", "approvals", "break_glass"),
            Entry("run", "Run a command with the service's code and variables", "one_off", "run"),
        ),
    ),
    (
        "Watch",
        (
            Entry("status", "Show the installation and what runs where", "watch", "status"),
            Entry("open", "Open the service in the browser", "watch", "open_"),
            Entry("logs", "Show or follow what the instances print", "watch", "logs"),
            Entry("runs", "List the pipeline runs of the service", "history", "runs"),
            Entry("show", "Show or follow a run or a deployment", "history", "show"),
            Entry("deployments", "List the deployments of the service", "history", "deployments"),
            Entry("tests", "Show the test results of a run", "history", "tests"),
            Entry("cancel", "Cancel a run, a deployment or a command", "history", "cancel"),
            Entry("events", "Show or follow what happened", "watch", "events"),
            Entry("audit", "Search, export and verify the audit log", "audit", "audit"),
        ),
    ),
    (
        "Manage",
        (
            Entry("projects", "List projects", "catalog", "projects"),
            Entry("environments", "List, create and delete environments", "catalog", "environments"),
            Entry("services", "List the services of a project", "catalog", "services"),
            Entry("domains", "List, add and remove domains", "catalog", "domains"),
            Entry("gates", "Show what guards an environment; require approvals", "gates", "gates"),
            Entry("freezes", "List, add and remove freezes", "gates", "freezes"),
            Entry("windows", "List, add and remove deployment windows", "gates", "windows"),
            Entry("locks", "List the environments that are locked", "gates", "locks"),
            Entry("lock", "Hold up all deployments to an environment", "gates", "lock"),
            Entry("unlock", "Take the lock of an environment away", "gates", "unlock"),
            Entry("destroy", "Delete a service or a project for good", "catalog", "destroy"),
            Entry("secrets", "List, set, reveal, restore and import secrets", "secrets", "secrets"),
            Entry("vaults", "Connect external stores of secrets", "vaults", "vaults"),
            Entry("sealing", "Show and rotate the keys of secrets", "vaults", "sealing"),
            Entry("tokens", "List, create and revoke tokens", "tokens", "tokens"),
            Entry("sessions", "List and end your portal sessions", "protection", "sessions"),
            Entry("second-factor", "Set up and use a second factor", "protection", "second_factor"),
            Entry("users", "List, invite, change and deactivate users", "accounts", "users"),
            Entry("teams", "List, create and change teams", "teams", "teams"),
            Entry("service-accounts", "List and create accounts for programs", "service_accounts", "service_accounts"),
            Entry("access", "List, grant and withdraw roles in projects", "access", "access"),
            Entry("roles", "List roles and define your own", "access", "roles"),
            Entry("policies", "Write, check and take back policies", "policies", "policies"),
            Entry("can-i", "Say whether you may do something, and why", "policies", "can_i"),
            Entry("who-can", "List who may do something, and why", "policies", "who_can"),
            Entry("providers", "List, add and test sign-in providers", "federation", "providers"),
            Entry("trust", "Say which CI jobs get a token", "federation", "trust"),
        ),
    ),
    (
        "Operate this machine's installation",
        (
            Entry("up", "Start Highroad", "server", "up"),
            Entry("down", "Stop Highroad", "server", "down"),
            Entry("backup", "Write everything into one file", "server", "backup"),
            Entry("restore", "Restore everything from a backup", "server", "restore"),
            Entry("sign-in-link", "Make a one-time sign-in link", "server", "sign_in_link"),
            Entry("completion", "Print the completion script for a shell", "completion", "completion"),
        ),
    ),
)

# `git-credential` is not here: `main` answers it before click is loaded.
ENTRIES: dict[str, Entry] = {entry.name: entry for _, entries in GROUPS for entry in entries}

EXIT_CODES = """\
Exit codes:
  0 done   1 the operation failed   2 wrong usage or input   3 not signed in   4 not found
  5 conflict   6 Highroad cannot be reached   130 interrupted
"""


def full_help() -> str:
    """What `highroad --help` prints: every command in its group."""
    lines = ["Usage: highroad COMMAND [OPTIONS]", "", "Push a commit, get a live URL.", ""]
    for title, entries in GROUPS:
        lines.append(f"{title}:")
        lines.extend(f"  {entry.name:<17}{entry.summary}" for entry in entries)
        lines.append("")
    lines += [
        "Every command takes --help and --json, and -p PROJECT -s SERVICE -e ENVIRONMENT where it concerns a service;",
        "in a repository after `highroad init` these are known. HIGHROAD_URL and HIGHROAD_TOKEN replace a sign-in.",
        "",
        EXIT_CODES,
    ]
    return "\n".join(lines)


def getting_started() -> str:
    """What `highroad` alone prints: the way from nothing to a live service."""
    return """\
Highroad: push a commit, get a live URL.

  highroad up                 start Highroad on this machine
  highroad login URL          sign in to an installation
  highroad init               connect this repository to a service
  git push highroad main      build, test and deploy it

Then:  highroad status · highroad logs -f · highroad open · highroad rollback
All commands:  highroad --help
"""

"""What this repository is, as the pipeline will see it: detection on the work tree with the installation's toolchains.

Called by `init` and `plan`. Apart from them, because reading workloads is slow to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from highroad.cli.git import Repository
from highroad.cli.output import Output
from highroad.workload.describe import describe, explain
from highroad.workload.detect import detect
from highroad.workload.model import Workload
from highroad.workload.source import Source

if TYPE_CHECKING:
    from highroad.client.api import Client


def detect_here(client: Client, repository: Repository, path: str) -> Workload:
    """The workload in `path` of the work tree. Raises the errors of detection, which name file and line."""
    toolchains = client.get("/system").get("toolchains") or {}
    return detect(Source.at(repository.root, path), {str(name): str(version) for name, version in toolchains.items()})


def say_workload(output: Output, workload: Workload) -> None:
    """What was detected, and why."""
    for line in describe(workload):
        output.say(f"  {line}")
    for line in explain(workload):
        output.say(output.paint(f"  {line}", "dim"))


def reasons_of(workload: Workload) -> list[dict[str, str]]:
    """The reasons as JSON values."""
    return [{"what": reason.what, "because": reason.because} for reason in workload.reasons]

"""`highroad init`: from a repository to a service that a push deploys.

It may be run again at any time: what exists is kept, what is missing is made. All that could refuse is looked at before
anything is created, and nothing is ever written into the work tree: what init remembers stands in the repository's
local Git configuration.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from highroad.cli import git
from highroad.cli.command import command
from highroad.cli.failures import Usage
from highroad.cli.invocation import Invocation, Target
from highroad.client.problems import ApiProblem, Json
from highroad.errors import Conflict
from highroad.kit.names import require_label, to_label

if TYPE_CHECKING:
    from highroad.client.api import Client


class RemoteTaken(Conflict):
    code = "remote-taken"
    title = "The Git remote points somewhere else"


class ServiceElsewhere(Conflict):
    code = "service-elsewhere"
    title = "A service of that name has another path"


@dataclass(frozen=True, slots=True)
class Wish:
    """What init is to arrive at. `branch` is what the environment deploys, `path` the service's directory."""

    target: Target
    branch: str
    path: str
    remote: str


@command("init", needs="service")
@click.option("-b", "--branch", help="The branch that the environment deploys; default: the one checked out.")
@click.option("--path", help="The service's directory in the repository; default: this directory.")
@click.option("--remote", default="highroad", show_default=True, help="The name of the Git remote.")
def init(invocation: Invocation, branch: str | None, path: str | None, remote: str) -> None:
    """Connect this repository to a service.

    Detects what the repository is, creates the project, the environment and the service where they are missing, and
    adds a Git remote, so that `git push highroad main` deploys it. Nothing is written into your files.
    """
    from highroad.cli.detection import detect_here, reasons_of, say_workload

    repository = git.here()
    output = invocation.output
    with invocation.client() as client:
        wish = _wish(invocation, repository, branch, path, remote)
        _require_free_remote(repository, wish, client.url)
        workload = detect_here(client, repository, wish.path)
        say_workload(output, workload)
        created, environment, service = _make(client, wish)
    git_url = str(service["git_url"])
    _connect(repository, wish, git_url, client.url)
    target = wish.target
    push = _push_command(wish, str(environment.get("branch") or wish.branch))
    output.document(
        {
            "project": target.project,
            "service": target.service,
            "environment": target.environment,
            "branch": environment.get("branch"),
            "path": wish.path,
            "git_url": git_url,
            "remote": wish.remote,
            "created": created,
            "reasons": reasons_of(workload),
            "next": push,
        }
    )
    made = f"created {', '.join(created)}" if created else "everything was there already"
    output.say(f"{target.project}/{target.service} in {target.environment}: {made}.")
    if not environment.get("branch"):
        output.say(f"{target.environment} deploys no branch by itself.")
    if not repository.has_commits():
        push = f'git add -A && git commit -m "First commit" && {push}'
    output.say(f"Next: {push}")


def _wish(
    invocation: Invocation, repository: git.Repository, branch: str | None, path: str | None, remote: str
) -> Wish:
    """Options first, then what an earlier init remembered for the same directory, then names made of directories."""
    path = (repository.subdirectory if path is None else path.strip("/")).removeprefix("./").removesuffix(".")
    again = invocation.remembered.get("path", "") == path
    service = invocation.named_service or (invocation.given_service if again else None)
    directory = Path(path).name if path else repository.root.name
    project = invocation.given_project or to_label(repository.root.name)
    service = service or to_label(directory)
    if not project or not service:
        raise Usage(
            f"No name can be made of the directory {directory!r}.", next_step="highroad init -p PROJECT -s SERVICE"
        )
    environment = invocation.environment
    for field, name in (("project", project), ("service", service), ("environment", environment)):
        require_label(name, field=field)
    deployed = branch or repository.branch()
    if not deployed:
        raise Usage("No branch is checked out here.", next_step="git switch main, or highroad init --branch BRANCH")
    return Wish(Target(project, service, environment), deployed, path, remote)


def _require_free_remote(repository: git.Repository, wish: Wish, url: str) -> None:
    """Refuse early, before anything is made, when the remote leads to another place than this service."""
    present = repository.remote(wish.remote)
    mine = f"/git/{wish.target.project}/{wish.target.service}.git"
    if present and not (present.startswith(f"{url}/git/") and present.endswith(mine)):
        raise _remote_taken(wish, present)


def _make(client: Client, wish: Wish) -> tuple[list[str], Json, Json]:
    """What was created, the environment and the service."""
    target, created = wish.target, list[str]()
    _ensure(client, target.project_path, "/projects", {"name": target.project}, f"project {target.project}", created)
    environments = f"{target.project_path}/environments"
    mode = (
        target.environment if target.environment in ("development", "staging", "preview", "sandbox") else "production"
    )
    wanted: dict[str, object] = {"name": target.environment, "mode": mode, "branch": wish.branch}
    what = f"environment {target.environment}"
    environment = _ensure(client, target.environment_path, environments, wanted, what, created)
    services = f"{target.project_path}/services"
    wanted = {"name": target.service, "path": wish.path}
    service = _ensure(client, target.service_path, services, wanted, f"service {target.service}", created)
    if str(service.get("path") or "") != wish.path:
        raise ServiceElsewhere(
            f"{target.service} of {target.project} is in {service.get('path') or 'the root'} of its repository, "
            f"not in {wish.path or 'the root'}.",
            next_step="Choose another name with -s SERVICE, or name its directory with --path.",
        )
    return created, environment, service


def _ensure(
    client: Client, path: str, collection: str, wanted: dict[str, object], what: str, created: list[str]
) -> Json:
    """GET `path`, or create it; when somebody else was faster, theirs is as good."""
    try:
        return client.get(path)
    except ApiProblem as problem:
        if problem.answered != 404:
            raise
    try:
        made = client.post(collection, wanted)
    except ApiProblem as problem:
        if problem.answered != 409:
            raise
        return client.get(path)
    created.append(what)
    return made


def _connect(repository: git.Repository, wish: Wish, git_url: str, url: str) -> None:
    """The remote, the credential helper for this installation alone, and what later commands want to know."""
    present = repository.remote(wish.remote)
    if not present:
        repository.run("remote", "add", wish.remote, git_url)
    elif present != git_url:
        raise _remote_taken(wish, present)
    section = f"credential.{url}"
    # The empty value drops helpers configured elsewhere: none of them should store this token a second time.
    repository.run("config", "--local", "--replace-all", f"{section}.helper", "")
    repository.run("config", "--local", "--add", f"{section}.helper", _helper())
    repository.run("config", "--local", f"{section}.useHttpPath", "true")
    target = wish.target
    repository.remember(
        wish.path,
        url=url,
        project=target.project,
        service=target.service,
        environment=target.environment,
        remote=wish.remote,
    )


def _helper() -> str:
    """Git runs it with `get`, `store` or `erase` behind it. The shell answers `store`, which each push asks for once
    the token was right and which changes nothing: starting this program for it would hold every push up by 60 ms."""
    return f'!f() {{ [ "$1" = store ] || {_executable()} git-credential "$1"; }}; f'


def _executable() -> str:
    """This command as a shell word that works from any directory, also where `highroad` is not on the PATH."""
    beside = Path(sys.executable).parent / "highroad"
    if beside.is_file():
        return shlex.quote(str(beside))
    return f"{shlex.quote(sys.executable)} -m highroad.cli.main"


def _remote_taken(wish: Wish, present: str) -> RemoteTaken:
    another = wish.target.service if wish.target.service != wish.remote else f"highroad-{wish.target.service}"
    return RemoteTaken(
        f"The remote {wish.remote!r} of this repository points at {present}. Every service has a remote of its own.",
        next_step=f"Give this one another name: highroad init --remote {another} "
        f"(or remove the old one: git remote remove {wish.remote})",
    )


def _push_command(wish: Wish, branch: str) -> str:
    refs = branch if branch == wish.branch else f"{wish.branch}:{branch}"
    return f"git push {wish.remote} {refs}"

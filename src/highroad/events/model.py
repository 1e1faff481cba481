"""Facts: what happened, to what, by whom. The CDEvents 0.5.1 vocabulary, ours under `dev.cdeventsx.highroad-*`.

Types are written here once, with the words that the reference documentation prints; a verb appends one of these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

SPEC_VERSION = "0.5.1"


@dataclass(frozen=True, slots=True)
class EventType:
    """`name` is the full CDEvents type; `meaning` one sentence for people."""

    name: str
    meaning: str


@dataclass(frozen=True, slots=True)
class Event:
    """One fact to append. `subject` is the id of what it is about, `content` the CDEvents subject content; a path as
    its `uri` is one of this installation.

    `project`, `service` and `environment` are names, for filters; `chain` joins commit, run, release and deployment.
    `custom` goes to `customData`.
    """

    type: EventType
    subject: str
    content: Mapping[str, object] = field(default_factory=dict)
    project: str | None = None
    service: str | None = None
    environment: str | None = None
    chain: str | None = None
    custom: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as kept: `seq` is its place in the log, `actor` who caused it."""

    seq: int
    id: str
    type: str
    subject: str
    time: datetime
    actor: str
    origin: str
    project: str | None
    service: str | None
    environment: str | None
    data: Mapping[str, object]


def package_url(project: str, service: str, commit: str, digest: str) -> str:
    """The identifier of an artifact in CDEvents: a package URL (ECMA-427) of the type `generic`, which is for what no
    registry holds. The same in every event about one artifact of one commit, so that events can be joined by it."""
    return f"pkg:generic/{project}/{service}@{commit}?checksum={digest}"


_cdevents = "dev.cdevents"
_ours = "dev.cdeventsx.highroad"

CHANGE_MERGED = EventType(f"{_cdevents}.change.merged.0.3.0", "A commit arrived on a branch of a service's repository.")
BRANCH_CREATED = EventType(f"{_cdevents}.branch.created.0.3.0", "A branch was pushed for the first time.")
BRANCH_DELETED = EventType(f"{_cdevents}.branch.deleted.0.3.0", "A branch was deleted.")
REPOSITORY_CREATED = EventType(f"{_cdevents}.repository.created.0.3.0", "A service and its repository were created.")
REPOSITORY_MODIFIED = EventType(f"{_cdevents}.repository.modified.0.3.0", "A service's settings were changed.")
REPOSITORY_DELETED = EventType(f"{_cdevents}.repository.deleted.0.3.0", "A service and its repository were deleted.")
ENVIRONMENT_CREATED = EventType(f"{_cdevents}.environment.created.0.3.0", "An environment was created.")
ENVIRONMENT_MODIFIED = EventType(f"{_cdevents}.environment.modified.0.3.0", "An environment's settings were changed.")
ENVIRONMENT_DELETED = EventType(f"{_cdevents}.environment.deleted.0.3.0", "An environment was deleted.")
PIPELINERUN_QUEUED = EventType(f"{_cdevents}.pipelinerun.queued.0.3.0", "A pipeline run was queued.")
PIPELINERUN_STARTED = EventType(f"{_cdevents}.pipelinerun.started.0.3.0", "A pipeline run started.")
PIPELINERUN_FINISHED = EventType(f"{_cdevents}.pipelinerun.finished.0.3.0", "A pipeline run ended, well or not.")
BUILD_STARTED = EventType(f"{_cdevents}.build.started.0.3.0", "A build started.")
BUILD_FINISHED = EventType(f"{_cdevents}.build.finished.0.3.0", "A build ended; it may have reused an artifact.")
TESTSUITERUN_FINISHED = EventType(f"{_cdevents}.testsuiterun.finished.0.3.0", "The tests of a commit were run.")
SERVICE_DEPLOYED = EventType(
    f"{_cdevents}.service.deployed.0.3.0", "A service serves in an environment for the first time."
)
SERVICE_UPGRADED = EventType(
    f"{_cdevents}.service.upgraded.0.3.0", "A newer release, or new settings, serve in an environment."
)
SERVICE_ROLLEDBACK = EventType(
    f"{_cdevents}.service.rolledback.0.3.0", "An earlier release serves again in an environment."
)
SERVICE_REMOVED = EventType(f"{_cdevents}.service.removed.0.3.0", "A service stopped serving in an environment.")
RELEASE_CREATED = EventType(f"{_ours}-release.created.0.1.0", "A release was made of a commit.")
DEPLOYMENT_QUEUED = EventType(f"{_ours}-deployment.queued.0.1.0", "A deployment was asked for.")
DEPLOYMENT_STARTED = EventType(f"{_ours}-deployment.started.0.1.0", "A deployment started, with its plan.")
DEPLOYMENT_FINISHED = EventType(
    f"{_ours}-deployment.finished.0.1.0", "A deployment ended: succeeded, failed, cancelled or superseded."
)
PROJECT_CREATED = EventType(f"{_ours}-project.created.0.1.0", "A project was created.")
PROJECT_DELETED = EventType(f"{_ours}-project.deleted.0.1.0", "A project was deleted.")
VARIABLES_CHANGED = EventType(
    f"{_ours}-variables.changed.0.1.0", "Configuration was changed; names only, never values."
)
DOMAIN_ADDED = EventType(f"{_ours}-domain.added.0.1.0", "An own host name was added to a service.")
DOMAIN_REMOVED = EventType(f"{_ours}-domain.removed.0.1.0", "An own host name was removed from a service.")
COMMAND_STARTED = EventType(f"{_ours}-command.started.0.1.0", "A one-off command was started.")
COMMAND_FINISHED = EventType(f"{_ours}-command.finished.0.1.0", "A one-off command or a scheduled process ended.")
INSTANCE_CHANGED = EventType(f"{_ours}-instance.changed.0.1.0", "An instance crashed, was given up, or recovered.")
USER_CREATED = EventType(f"{_ours}-user.created.0.1.0", "A user was created.")
USER_MODIFIED = EventType(f"{_ours}-user.modified.0.1.0", "A user was changed, activated or deactivated.")
USER_SIGNED_IN = EventType(f"{_ours}-user.signedin.0.1.0", "A user signed in.")
USER_REFUSED = EventType(f"{_ours}-user.refused.0.1.0", "A sign-in failed.")
TOKEN_CREATED = EventType(f"{_ours}-token.created.0.1.0", "A token was created.")
TOKEN_REVOKED = EventType(f"{_ours}-token.revoked.0.1.0", "A token was revoked.")

ALL_TYPES: tuple[EventType, ...] = tuple(value for value in list(globals().values()) if isinstance(value, EventType))

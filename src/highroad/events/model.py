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
    `custom` goes to `customData`. `diff` says what changed, field by field as (before, after), where None stands for
    "there was none"; it goes to `customData` as `before` and `after`. No secret stands in either.
    """

    type: EventType
    subject: str
    content: Mapping[str, object] = field(default_factory=dict)
    project: str | None = None
    service: str | None = None
    environment: str | None = None
    chain: str | None = None
    custom: Mapping[str, object] = field(default_factory=dict)
    diff: Mapping[str, tuple[object, object]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Cause:
    """Who did it, from where and by which right; None where that is not known. `decision` is allowed or refused."""

    actor: str
    origin: str
    actor_id: str | None = None
    actor_kind: str | None = None
    token: str | None = None
    address: str | None = None
    request: str | None = None
    action: str | None = None
    decision: str | None = None
    policy: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """An event as kept: `seq` is its place in the log, `actor` who caused it.

    The last eight are what is known of the one who did it, None where nothing is: the account's id and kind, the token,
    the network address, the request, and the action with the decision on it and the policy that decided.
    """

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
    actor_id: str | None = None
    actor_kind: str | None = None
    token: str | None = None
    address: str | None = None
    request: str | None = None
    action: str | None = None
    decision: str | None = None
    policy: str | None = None


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
    f"{_ours}-deployment.finished.0.1.0",
    "A deployment ended: succeeded, failed, cancelled, superseded, refused or expired.",
)
PROJECT_CREATED = EventType(f"{_ours}-project.created.0.1.0", "A project was created.")
PROJECT_MODIFIED = EventType(f"{_ours}-project.modified.0.1.0", "A project was given to a team, or taken from one.")
PROJECT_DELETED = EventType(f"{_ours}-project.deleted.0.1.0", "A project was deleted.")
VARIABLES_CHANGED = EventType(
    f"{_ours}-variables.changed.0.1.0", "Configuration was changed; names only, never values."
)
SECRETS_CHANGED = EventType(
    f"{_ours}-secrets.changed.0.1.0", "Secrets were set, restored, exposed or removed; names only, never values."
)
SECRET_READ = EventType(f"{_ours}-secret.read.0.1.0", "Somebody revealed the value of a secret.")
DATA_KEY_ROTATED = EventType(
    f"{_ours}-datakey.rotated.0.1.0", "Secrets are sealed with a new data key from now on, and the old ones anew."
)
MASTER_KEY_ROTATED = EventType(f"{_ours}-masterkey.rotated.0.1.0", "The data keys were wrapped with a new master key.")
VAULT_CREATED = EventType(f"{_ours}-vault.created.0.1.0", "An external store of secrets was connected.")
VAULT_MODIFIED = EventType(f"{_ours}-vault.modified.0.1.0", "The connection to an external store was changed.")
VAULT_DELETED = EventType(f"{_ours}-vault.deleted.0.1.0", "An external store of secrets was disconnected.")
DOMAIN_ADDED = EventType(f"{_ours}-domain.added.0.1.0", "An own host name was added to a service.")
DOMAIN_REMOVED = EventType(f"{_ours}-domain.removed.0.1.0", "An own host name was removed from a service.")
COMMAND_STARTED = EventType(f"{_ours}-command.started.0.1.0", "A one-off command was started.")
COMMAND_FINISHED = EventType(f"{_ours}-command.finished.0.1.0", "A one-off command or a scheduled process ended.")
INSTANCE_CHANGED = EventType(f"{_ours}-instance.changed.0.1.0", "An instance crashed, was given up, or recovered.")
USER_CREATED = EventType(f"{_ours}-user.created.0.1.0", "A user was created.")
USER_MODIFIED = EventType(f"{_ours}-user.modified.0.1.0", "A user was changed, activated or deactivated.")
USER_SIGNED_IN = EventType(f"{_ours}-user.signedin.0.1.0", "A user signed in.")
USER_LINK_MADE = EventType(f"{_ours}-user.linkmade.0.1.0", "A one-time sign-in link was made for a user.")
USER_REFUSED = EventType(f"{_ours}-user.refused.0.1.0", "A sign-in failed.")
TOKEN_CREATED = EventType(f"{_ours}-token.created.0.1.0", "A token was created.")
TOKEN_REVOKED = EventType(f"{_ours}-token.revoked.0.1.0", "A token was revoked.")
TEAM_CREATED = EventType(f"{_ours}-team.created.0.1.0", "A team was created.")
TEAM_MODIFIED = EventType(f"{_ours}-team.modified.0.1.0", "A team was renamed or moved below another one.")
TEAM_DELETED = EventType(f"{_ours}-team.deleted.0.1.0", "A team was deleted, with its grants.")
TEAM_MEMBERS_CHANGED = EventType(f"{_ours}-team.memberschanged.0.1.0", "Somebody joined or left a team.")
INVITATION_CREATED = EventType(f"{_ours}-invitation.created.0.1.0", "Somebody was invited.")
INVITATION_RENEWED = EventType(f"{_ours}-invitation.renewed.0.1.0", "An invitation got a new link.")
INVITATION_WITHDRAWN = EventType(f"{_ours}-invitation.withdrawn.0.1.0", "An invitation was withdrawn.")
INVITATION_ACCEPTED = EventType(f"{_ours}-invitation.accepted.0.1.0", "Somebody accepted an invitation.")
ACCOUNT_CREATED = EventType(
    f"{_ours}-account.created.0.1.0", "A service account, or the account of a policy token, was created."
)
ACCOUNT_MODIFIED = EventType(
    f"{_ours}-account.modified.0.1.0", "A service account or a policy token was changed, activated or deactivated."
)
PROVIDER_CREATED = EventType(f"{_ours}-signinprovider.created.0.1.0", "A sign-in provider was set up.")
PROVIDER_MODIFIED = EventType(f"{_ours}-signinprovider.modified.0.1.0", "A sign-in provider was changed.")
PROVIDER_DELETED = EventType(f"{_ours}-signinprovider.deleted.0.1.0", "A sign-in provider was removed.")
IDENTITY_LINKED = EventType(f"{_ours}-identity.linked.0.1.0", "A user signed in with a provider for the first time.")
MEMBERSHIPS_SYNCHRONISED = EventType(
    f"{_ours}-memberships.synchronised.0.1.0", "A user's teams followed the groups of a sign-in provider."
)
TRUST_CREATED = EventType(f"{_ours}-trustrule.created.0.1.0", "A trust rule for CI jobs was written.")
TRUST_MODIFIED = EventType(f"{_ours}-trustrule.modified.0.1.0", "A trust rule was changed.")
TRUST_DELETED = EventType(f"{_ours}-trustrule.deleted.0.1.0", "A trust rule was removed.")
TOKEN_EXCHANGED = EventType(f"{_ours}-token.exchanged.0.1.0", "A CI job got a token under a trust rule.")
EXCHANGE_REFUSED = EventType(f"{_ours}-token.exchangerefused.0.1.0", "A CI job was refused a token.")

# Access
ACCESS_GRANTED = EventType(f"{_ours}-access.granted.0.1.0", "A role was granted, or a grant was changed.")
ACCESS_WITHDRAWN = EventType(f"{_ours}-access.withdrawn.0.1.0", "A granted role was taken back.")
ACCESS_REFUSED = EventType(
    f"{_ours}-access.refused.0.1.0", "Somebody was refused to change something; at most once a minute for the same."
)
ROLE_CREATED = EventType(f"{_ours}-role.created.0.1.0", "A custom role was defined.")
ROLE_MODIFIED = EventType(f"{_ours}-role.modified.0.1.0", "A custom role was changed.")
ROLE_DELETED = EventType(f"{_ours}-role.deleted.0.1.0", "A custom role was deleted.")
POLICY_APPLIED = EventType(f"{_ours}-policy.applied.0.1.0", "A version of a policy came into force.")
POLICY_DISABLED = EventType(f"{_ours}-policy.disabled.0.1.0", "A policy was switched off.")
POLICY_DELETED = EventType(f"{_ours}-policy.deleted.0.1.0", "A policy was deleted with its history.")

# Gates
APPROVAL_ASKED = EventType(f"{_ours}-approval.asked.0.1.0", "A deployment waits for approval, with its plan.")
APPROVAL_GIVEN = EventType(f"{_ours}-approval.given.0.1.0", "Somebody approved a deployment that waits.")
APPROVAL_REFUSED = EventType(f"{_ours}-approval.refused.0.1.0", "Somebody refused a deployment, which ended it.")
APPROVAL_VOIDED = EventType(f"{_ours}-approval.voided.0.1.0", "Approvals became void, because the plan changed.")
APPROVAL_EXPIRED = EventType(f"{_ours}-approval.expired.0.1.0", "A deployment waited too long and ended.")
APPROVAL_RULE_CREATED = EventType(f"{_ours}-approvalrule.created.0.1.0", "An approval rule was written.")
APPROVAL_RULE_REMOVED = EventType(f"{_ours}-approvalrule.removed.0.1.0", "An approval rule was removed.")
FREEZE_CREATED = EventType(f"{_ours}-freeze.created.0.1.0", "A freeze was planned.")
FREEZE_MODIFIED = EventType(f"{_ours}-freeze.modified.0.1.0", "The times of a freeze were changed.")
FREEZE_REMOVED = EventType(f"{_ours}-freeze.removed.0.1.0", "A freeze was removed.")
WINDOW_CREATED = EventType(f"{_ours}-deploymentwindow.created.0.1.0", "A deployment window was written.")
WINDOW_MODIFIED = EventType(f"{_ours}-deploymentwindow.modified.0.1.0", "A deployment window was changed.")
WINDOW_REMOVED = EventType(f"{_ours}-deploymentwindow.removed.0.1.0", "A deployment window was removed.")
ENVIRONMENT_LOCKED = EventType(f"{_ours}-lock.created.0.1.0", "Somebody locked an environment.")
ENVIRONMENT_UNLOCKED = EventType(f"{_ours}-lock.removed.0.1.0", "Somebody unlocked an environment.")
DEPLOYMENT_WAITING = EventType(f"{_ours}-deployment.waiting.0.1.0", "A deployment waits at a closed gate.")
GATE_PASSED = EventType(f"{_ours}-gate.passed.0.1.0", "Somebody broke the glass: passed closed gates, with a reason.")

# The audit log, looked at and sent on
AUDIT_SEARCHED = EventType(f"{_ours}-auditlog.searched.0.1.0", "Somebody searched the audit log; once for each search.")
AUDIT_EXPORTED = EventType(f"{_ours}-auditlog.exported.0.1.0", "Somebody exported events of the audit log.")
ACCESS_REVIEWED = EventType(f"{_ours}-access.reviewed.0.1.0", "Somebody made a report of who may do what.")
DESTINATION_CREATED = EventType(f"{_ours}-destination.created.0.1.0", "The audit log is sent to a further place.")
DESTINATION_MODIFIED = EventType(
    f"{_ours}-destination.modified.0.1.0", "A destination of the audit log was changed, paused or resumed."
)
DESTINATION_DELETED = EventType(f"{_ours}-destination.deleted.0.1.0", "A destination of the audit log was removed.")
DESTINATION_TESTED = EventType(f"{_ours}-destination.tested.0.1.0", "A test event was sent to a destination.")

# Sessions and second factors
SESSION_REVOKED = EventType(f"{_ours}-session.revoked.0.1.0", "Somebody ended a session of the portal.")
SECONDFACTOR_ENABLED = EventType(f"{_ours}-secondfactor.enabled.0.1.0", "Somebody set up a second factor.")
SECONDFACTOR_DISABLED = EventType(
    f"{_ours}-secondfactor.disabled.0.1.0", "A second factor was turned off by its owner, or reset for them."
)
SECONDFACTOR_REFUSED = EventType(
    f"{_ours}-secondfactor.refused.0.1.0", "After the right password came a wrong code of the second factor."
)

# The audit log's proof
AUDIT_KEY_ADDED = EventType(f"{_ours}-auditkey.added.0.1.0", "A new key signs the audit log from now on.")
AUDIT_DROPPED = EventType(
    f"{_ours}-auditlog.dropped.0.1.0", "Retention dropped the oldest events; the signed statement says which."
)
AUDIT_VERIFIED = EventType(f"{_ours}-auditlog.verified.0.1.0", "Somebody had the live audit log checked.")
AUDIT_RETENTION_CHANGED = EventType(f"{_ours}-auditlog.retentionchanged.0.1.0", "How long events are kept was changed.")
WITNESS_CREATED = EventType(f"{_ours}-witness.created.0.1.0", "Checkpoints of the audit log go to a further witness.")
WITNESS_DELETED = EventType(f"{_ours}-witness.deleted.0.1.0", "A witness of the audit log was removed.")

ALL_TYPES: tuple[EventType, ...] = tuple(value for value in list(globals().values()) if isinstance(value, EventType))

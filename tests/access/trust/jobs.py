"""What the identity tokens of CI jobs hold, as GitHub and GitLab document it."""

from __future__ import annotations

import time
from typing import Any

# GitHub, "OpenID Connect reference": the example token, without the registered claims of time.
GITHUB_CLAIMS: dict[str, Any] = {
    "jti": "example-id",
    "sub": "repo:octo-org/octo-repo:environment:prod",
    "environment": "prod",
    "ref": "refs/heads/main",
    "sha": "example-sha",
    "repository": "octo-org/octo-repo",
    "repository_owner": "octo-org",
    "actor_id": "12",
    "repository_visibility": "private",
    "repository_id": "74",
    "repository_owner_id": "65",
    "run_id": "example-run-id",
    "run_number": "10",
    "run_attempt": "2",
    "runner_environment": "github-hosted",
    "actor": "octocat",
    "workflow": "example-workflow",
    "workflow_ref": "octo-org/octo-repo/.github/workflows/example.yml@refs/heads/main",
    "workflow_sha": "example-sha",
    "head_ref": "",
    "base_ref": "",
    "event_name": "workflow_dispatch",
    "ref_type": "branch",
    "ref_protected": "true",
    "job_workflow_ref": "octo-org/octo-automation/.github/workflows/oidc.yml@refs/heads/main",
    "job_workflow_sha": "example-sha",
}

# GitLab, "OpenID Connect (OIDC) Authentication Using ID Tokens": the example token.
GITLAB_CLAIMS: dict[str, Any] = {
    "namespace_id": "72",
    "namespace_path": "my-group",
    "project_id": "20",
    "project_path": "my-group/my-project",
    "user_id": "1",
    "user_login": "sample-user",
    "user_email": "sample-user@example.com",
    "user_access_level": "developer",
    "user_identities": [{"provider": "github", "extern_uid": "2435223452345"}],
    "groups_direct": ["mygroup/mysubgroup", "myothergroup/myothersubgroup"],
    "pipeline_id": "574",
    "pipeline_source": "push",
    "job_id": "302",
    "ref": "feature-branch-1",
    "ref_type": "branch",
    "ref_path": "refs/heads/feature-branch-1",
    "ref_protected": "true",
    "environment": "test-environment2",
    "environment_protected": "false",
    "deployment_tier": "testing",
    "environment_action": "start",
    "runner_id": 1,
    "runner_environment": "self-hosted",
    "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
    "project_visibility": "public",
    "ci_config_ref_uri": "gitlab.example.com/my-group/my-project//.gitlab-ci.yml@refs/heads/main",
    "ci_config_sha": "714a629c0b401fdce83e847fc9589983fc6f46bc",
    "jti": "235b3a54-b797-45c7-ae9a-f72d7bc6ef5b",
    "sub": "project_path:my-group/my-project:ref_type:branch:ref:feature-branch-1",
}


def job(claims: dict[str, Any], *, issuer: str, audience: str, jti: str, **changes: Any) -> dict[str, Any]:
    """The claims of a job that runs now."""
    at = int(time.time())
    return {**claims, "iss": issuer, "aud": audience, "iat": at, "nbf": at - 5, "exp": at + 300, "jti": jti, **changes}

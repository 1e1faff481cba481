"""Asking for a run without a push."""

from __future__ import annotations

import pytest

from highroad.deployments.runs_api import NotOnBranch, RunRequest, pushed_commit
from tests.pipelines.yard import PROCFILE, Yard


def test_a_commit_is_run_only_on_a_branch_that_has_it(yard: Yard) -> None:
    first, second = yard.push(PROCFILE), yard.push(PROCFILE)
    aside = yard.push({**PROCFILE, "aside": "1"}, branch="aside")
    desk, service = yard.stage.platform.desk, yard.stage.service
    for commit in (first.commit, second.commit, None):
        found = pushed_commit(desk, service, RunRequest(branch="main", commit=commit))
        assert (found.branch, found.commit) == ("main", commit or second.commit)
    assert pushed_commit(desk, service, RunRequest(branch="aside", commit=aside.commit)).commit == aside.commit
    for branch in ("main", None):
        with pytest.raises(NotOnBranch, match="not on the branch main"):
            pushed_commit(desk, service, RunRequest(branch=branch, commit=aside.commit))

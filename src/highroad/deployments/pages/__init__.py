"""The portal's pages about what runs: projects, services, runs, deployments and app logs. `app` calls `router`.

A page renders everything on the server; `portal.js` fetches the same page again when its stream tells of a change, and
replaces the parts that differ. So there is one rendering of each thing, and a page works without the script too.
"""

from __future__ import annotations

from fastapi import APIRouter

from highroad.deployments.desk import Desk
from highroad.deployments.pages import (
    actions,
    approvals,
    configuration,
    deletion,
    deployment,
    logs,
    project,
    projects,
    run,
    secrets,
    service,
)
from highroad.web.pages import page_router


def router(desk: Desk) -> APIRouter:
    pages = page_router()
    modules = (projects, project, service, actions, configuration, secrets, deletion, run, deployment, approvals, logs)
    for module in modules:
        pages.include_router(module.router(desk))
    return pages

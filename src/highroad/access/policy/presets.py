"""Ready-made sets of grants for what people commonly are in a project: a role for each environment mode. Data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Preset:
    """`roles` by environment mode; a mode that is not named gets `none`."""

    name: str
    description: str
    roles: dict[str, str]


PRESETS: tuple[Preset, ...] = (
    Preset(
        "junior-developer",
        "Creates and tests branches and previews, deploys to staging, sees production and cannot deploy to it.",
        {
            "development": "manager",
            "preview": "manager",
            "sandbox": "manager",
            "staging": "deployer",
            "production": "viewer",
        },
    ),
    Preset(
        "senior-developer",
        "Deploys everywhere, and manages every environment but production.",
        {
            "development": "manager",
            "preview": "manager",
            "sandbox": "manager",
            "staging": "manager",
            "production": "deployer",
        },
    ),
    Preset(
        "release-manager",
        "Deploys to staging and production and approves what others ask for, sees the rest.",
        {
            "development": "viewer",
            "preview": "viewer",
            "sandbox": "viewer",
            "staging": "deployer",
            "production": "deployer",
        },
    ),
    Preset(
        "on-call",
        "Deploys, rolls back, locks and passes gates in staging and production; grant it for the days of the duty.",
        {
            "development": "viewer",
            "preview": "viewer",
            "sandbox": "viewer",
            "staging": "manager",
            "production": "manager",
        },
    ),
    Preset(
        "tester",
        "Sees everything, and deploys previews and staging.",
        {
            "development": "viewer",
            "preview": "deployer",
            "sandbox": "deployer",
            "staging": "deployer",
            "production": "viewer",
        },
    ),
    Preset(
        "project-manager",
        "Manages the project with all its environments, and who has access to it.",
        {
            "development": "manager",
            "preview": "manager",
            "sandbox": "manager",
            "staging": "manager",
            "production": "manager",
        },
    ),
)

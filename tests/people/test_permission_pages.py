"""The pages about grants, roles and policies: what they show, what their forms do, and to whom."""

from __future__ import annotations

import pytest

from highroad.access import grants, teams
from highroad.access.model import User
from highroad.projects import store
from tests.portal.conftest import built_site, site
from tests.portal.site import Browser, Site

__all__ = ["built_site", "site"]

FORBID = 'forbid(principal, action == Action::"deployment:write", resource);'


@pytest.fixture
def ada(site: Site) -> Browser:
    """An owner, in whose installation there is the project `shop`."""
    owner = site.user()
    site.service()
    return site.browser(owner)


def member(site: Site, email: str = "ben@example.com") -> User:
    return site.user(email, role="member", password=False)


def grant(site: Site, user: User, role: str, mode: str | None = None, project: bool = True) -> str:
    with site.context.db.begin() as tx:
        found = store.project(tx, "shop")
        assert found is not None
        where = found.id if project else None
        return grants.set_grant(
            tx, holder_kind="user", holder_id=user.id, project=where, mode=mode, role=role, by="x"
        ).id


# Grants


def test_nobody_has_a_role_yet_and_the_page_says_what_to_do(ada: Browser) -> None:
    page = ada.get("/projects/shop/access")
    assert page.status == 200
    assert "Nobody has a role in this project yet: grant one below, best to a team." in page.text


def test_a_role_is_granted_and_stands_in_the_matrix(site: Site, ada: Browser) -> None:
    member(site)
    page = ada.post("/projects/shop/access", holder="ben@example.com", role="deployer", mode="staging")
    assert (page.status, page.location) == (303, "/projects/shop/access?done=granted")
    shown = ada.get("/projects/shop/access").text
    assert "ben@example.com none deployer none none none 1 grant" in shown


def test_a_preset_is_granted_to_a_team(site: Site, ada: Browser) -> None:
    with site.context.db.begin() as tx:
        teams.add_team(tx, name="juniors", title="Juniors", parent=None)
    ada.post("/projects/shop/access", holder="team:juniors", role="preset:junior-developer")
    shown = ada.get("/projects/shop/access").text
    assert "juniors team manager deployer viewer manager manager 5 grants" in shown


def test_a_grant_is_withdrawn(site: Site, ada: Browser) -> None:
    id = grant(site, member(site), "viewer")
    assert ada.post(f"/access/{id}/withdraw").location == "/projects/shop/access?done=withdrawn"
    assert "Nobody has a role" in ada.get("/projects/shop/access").text


def test_a_form_that_is_not_taken_says_why_and_keeps_what_was_typed(ada: Browser) -> None:
    page = ada.post("/projects/shop/access", holder="nobody@example.com", role="viewer", until="2001-01-01")
    assert page.status == 404
    assert "There is no active user" in page.text
    assert 'value="nobody@example.com"' in page.html


def test_a_viewer_sees_the_matrix_and_no_form(site: Site, ada: Browser) -> None:
    ben = member(site)
    grant(site, ben, "viewer")
    browser = site.browser(ben)
    page = browser.get("/projects/shop/access")
    assert page.status == 200
    assert "Grant a role" not in page.text
    assert browser.post("/projects/shop/access", holder=ben.email, role="manager").status == 403
    assert browser.get("/access").status == 403


def test_a_stranger_sees_no_project(site: Site, ada: Browser) -> None:
    stranger = site.browser(member(site))
    assert stranger.get("/projects/shop/access").status == 404
    assert stranger.post("/projects/shop/access", holder="ben@example.com", role="viewer").status == 404


def test_nobody_widens_their_own_access_by_the_form_either(site: Site, ada: Browser) -> None:
    eve = site.user("eve@example.com", role="admin", password=False)
    page = site.browser(eve).post("/projects/shop/access", holder=eve.email, role="manager")
    assert page.status == 403
    assert "Nobody widens their own access." in page.text


@pytest.mark.parametrize("mode", ["production", ""])
def test_who_can_is_answered_on_the_page(site: Site, ada: Browser, mode: str) -> None:
    grant(site, member(site), "deployer", "production")
    page = ada.get(f"/projects/shop/access?verb=deploy&mode={mode}")
    assert "Who can deploy in shop, production" in page.text
    assert "ben@example.com Allowed by the role deployer." in page.text


def test_grants_for_all_projects_are_the_owners_business(site: Site, ada: Browser) -> None:
    member(site)
    assert ada.post("/access", holder="ben@example.com", role="viewer").location == "/access?done=granted"
    assert "in all projects" in ada.get("/projects/shop/access").text


# Roles


def test_the_matrix_of_roles_shows_what_each_allows(ada: Browser) -> None:
    page = ada.get("/roles")
    assert "deployment:write Deploy, roll back, scale, restart, stop and cancel deployments." in page.text
    assert "junior-developer" in page.text


def test_a_role_is_defined_changed_and_deleted(ada: Browser) -> None:
    made = ada.post("/roles", name="captain", description="Deploys", action=["deployment:write", "log:read"])
    assert made.location == "/roles?done=created"
    assert ada.post("/roles/captain", description="Looks", action=["log:read"]).location == "/roles?done=changed"
    assert "captain Looks · 0 grants" in ada.get("/roles").text
    assert ada.post("/roles/captain/delete").location == "/roles?done=deleted"


def test_a_role_without_actions_is_refused_beside_its_form(ada: Browser) -> None:
    page = ada.post("/roles", name="captain")
    assert page.status == 422
    assert "It has no action." in page.text


def test_members_see_roles_and_define_none(site: Site, ada: Browser) -> None:
    browser = site.browser(member(site))
    assert "Define a role" not in browser.get("/roles").text
    assert browser.post("/roles", name="captain", action="log:read").status == 403


# Policies


def test_the_first_policy_begins_with_an_example(ada: Browser) -> None:
    page = ada.get("/policies")
    assert "No policy yet: the roles alone decide." in page.text
    assert "context.weekday" in page.html


def test_a_text_that_is_wrong_is_shown_with_its_lines(ada: Browser) -> None:
    page = ada.post("/policies", name="calm", text=f"{FORBID}\nforbid(principal, actio, resource);", what="check")
    assert page.status == 200
    assert "The text is not valid; nothing was saved." in page.text
    assert "2 forbid(principal, actio, resource); found an invalid variable" in page.text


def test_a_dry_run_says_what_would_have_been_refused(site: Site, ada: Browser) -> None:
    ada.post("/projects/shop/environments", name="test", mode="staging", branch="")
    text = 'forbid(principal, action == Action::"environment:write", resource);'
    page = ada.post("/policies", name="calm", text=text, what="check")
    assert "this would have refused 1 action" in page.text
    assert "environment:write shop/test" in page.text


def test_a_policy_is_put_in_force_changed_put_back_and_switched_off(ada: Browser) -> None:
    assert ada.post("/policies", name="calm", text=FORBID, what="apply").location == "/policies/calm?done=applied"
    changed = FORBID.replace("deployment", "environment")
    ada.post("/policies/calm", text=changed, what="apply", note="Other thing")
    page = ada.get("/policies/calm")
    assert "Version 2 is in force." in page.text
    assert 'class="add">+forbid' in page.html
    assert "Other thing" in page.text
    assert ada.post("/policies/calm/revert", version="1").location == "/policies/calm?done=reverted"
    assert "Version 1 is in force." in ada.get("/policies/calm").text
    assert ada.post("/policies/calm/disable").location == "/policies/calm?done=disabled"
    assert "switched off" in ada.get("/policies").text


def test_a_policy_that_is_wrong_is_not_put_in_force(ada: Browser) -> None:
    page = ada.post("/policies", name="calm", text="forbid(", what="apply")
    assert page.status == 422
    assert "forbid(" in page.html
    assert ada.get("/policies/calm").status == 404


def test_a_policy_is_deleted_after_its_name_was_typed(ada: Browser) -> None:
    ada.post("/policies", name="calm", text=FORBID, what="apply")
    assert "Nothing was deleted." in ada.post("/policies/calm/delete", confirm="clam").text
    assert ada.post("/policies/calm/delete", confirm="calm").location == "/policies?done=deleted"
    assert ada.get("/policies/calm").status == 404


def test_the_schema_is_published(ada: Browser) -> None:
    assert "entity Environment in [Project]" in ada.get("/policies/schema").text


def test_members_see_no_policies_and_auditors_change_none(site: Site, ada: Browser) -> None:
    assert site.browser(member(site)).get("/policies").status == 403
    auditor = site.browser(site.user("aud@example.com", role="auditor", password=False))
    assert auditor.get("/policies").status == 200
    assert auditor.post("/policies", name="calm", text=FORBID, what="apply").status == 403


def test_an_owner_comes_back_from_a_policy_that_forbids_everything(site: Site, ada: Browser) -> None:
    ada.post("/policies", name="all", text="forbid(principal, action, resource);", what="apply")
    assert ada.get("/projects/shop").status == 404
    assert ada.get("/policies/all").status == 200
    ada.post("/policies/all/disable")
    assert ada.get("/projects/shop").status == 200


def test_what_people_write_is_text_on_the_page(ada: Browser) -> None:
    ada.post("/policies", name="calm", text=f"// <b>x</b>\n{FORBID}", note="<i>why</i>", what="apply")
    shown = ada.get("/policies/calm").html
    assert "<b>x</b>" not in shown
    assert "<i>why</i>" not in shown

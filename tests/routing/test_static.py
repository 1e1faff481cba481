"""Which links of a static site are hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from highroad.errors import Permanent
from highroad.routing import static
from highroad.routing.static import unsafe_links


def test_links_that_stay_inside_are_served(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text("a")
    (tmp_path / "b.html").symlink_to("a.html")
    assert unsafe_links(str(tmp_path)) == ()


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", ".git", ".env", "nowhere", "link", "/"])
def test_links_that_leave_or_lead_to_dot_files_or_nowhere_are_hidden(tmp_path: Path, target: str) -> None:
    site = tmp_path / "site"
    (site / ".git").mkdir(parents=True)
    (site / ".env").write_text("SECRET=1")
    (tmp_path / "outside").write_text("x")
    (site / "link").symlink_to(target)
    assert unsafe_links(str(site)) == (str(site / "link"),)


def test_links_below_directories_are_found(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "up").symlink_to("/")
    assert unsafe_links(str(tmp_path)) == (str(tmp_path / "a" / "b" / "up"),)


def test_a_directory_that_is_gone_is_a_permanent_failure(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="not there"):
        unsafe_links(str(tmp_path / "gone"))


def test_a_directory_that_is_itself_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    with pytest.raises(Permanent):
        unsafe_links(str(tmp_path / "link"))


def test_too_many_links_are_refused(tmp_path: Path) -> None:
    for number in range(static.MOST + 1):
        (tmp_path / f"l{number}").symlink_to("/etc")
    with pytest.raises(Permanent, match="1001 symbolic links"):
        unsafe_links(str(tmp_path))

"""Static sites are served as they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from highroad.workload.model import Workload

Detect = Callable[..., Workload]


@pytest.mark.parametrize(
    ("page", "publish"), [("index.html", "."), ("public/index.html", "public"), ("dist/index.html", "dist")]
)
def test_the_directory_of_the_page_is_published(detected: Detect, page: str, publish: str) -> None:
    workload = detected({page: "<h1>"})
    assert (workload.static, workload.build.publish, workload.build.language) == (True, publish, "static")


def test_a_page_beside_a_program_belongs_to_the_program(detected: Detect) -> None:
    workload = detected({"index.html": "", "app.py": "PORT"})
    assert (workload.static, workload.build.language) == (False, "python")

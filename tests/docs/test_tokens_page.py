"""What the page about tokens tells scanners is what tokens look like."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

from highroad.access.policy.checking import problems
from highroad.access.secrets import new_token

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "tokens-and-service-accounts.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_the_checksum_of_the_page_is_that_of_tokens() -> None:
    names: dict[str, Any] = {}
    exec(blocks("python")[0], names)
    for _ in range(50):
        token = new_token()
        assert names["is_token"](token)
        assert not names["is_token"](token[:-1] + ("0" if token[-1] != "0" else "1"))


def test_the_rules_of_the_page_find_tokens() -> None:
    rule = tomllib.loads(blocks("toml")[0])["rules"][0]
    patterns = [rule["regex"], *(each.strip() for each in blocks("text") if "hr_" in each)]
    assert len(patterns) == 2
    for pattern in patterns:
        assert re.search(pattern, f"token: {new_token()};")
        assert not re.search(pattern, "hr_department and href")


def test_policies_on_the_pages_are_valid() -> None:
    pages = PAGE + (Path(__file__).parents[2] / "docs" / "how-to" / "provision-with-scim.md").read_text()
    shown = [each for each in re.findall(r"^```text\n(.*?)^```$", pages, re.MULTILINE | re.DOTALL) if "permit" in each]
    assert len(shown) == 2
    assert [problems(each) for each in shown] == [[], []]

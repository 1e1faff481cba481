"""The types are a closed list, named by the rules of CDEvents, and each is emitted somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import highroad
from highroad.events import model
from highroad.events.model import ALL_TYPES, package_url
from tests.events.cdevents import CONTENTS, CUSTOM, PURL, STANDARD, VERSION


def test_every_type_is_one_of_the_vocabulary_or_of_our_own_namespace() -> None:
    for each in ALL_TYPES:
        standard = STANDARD.fullmatch(each.name)
        assert (standard and standard[1] in CONTENTS) or CUSTOM.fullmatch(each.name), each.name


def test_every_type_is_there_once_and_says_what_it_means() -> None:
    assert len({each.name for each in ALL_TYPES}) == len(ALL_TYPES)
    assert all(each.meaning.endswith(".") for each in ALL_TYPES)


def test_no_type_is_promised_that_nothing_emits() -> None:
    root = Path(highroad.__file__).parent
    sources = (file.read_text() for file in root.rglob("*.py") if file != Path(model.__file__))
    used = {name for text in sources for name in re.findall(r"\b([A-Z]+(?:_[A-Z]+)+)\b", text)}
    declared = {name for name, value in vars(model).items() if isinstance(value, model.EventType)}
    assert declared - used == set()


def test_the_version_is_the_one_that_is_checked() -> None:
    assert model.SPEC_VERSION == VERSION


def test_an_artifact_has_a_package_url() -> None:
    url = package_url("shop", "web", "c" * 40, "sha256:" + "d" * 64)
    assert PURL.fullmatch(url)
    assert url.startswith(f"pkg:generic/shop/web@{'c' * 40}?checksum=sha256:")

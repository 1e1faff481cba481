"""Tiles are laid out as C2SP tlog-tiles says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from highroad.transparency.merkle import leaf_hash, perfect_root
from highroad.transparency.tiles import WIDTH, bundle, node_of, parse_path, path_of, tiles_of

LEAVES = [leaf_hash(str(number).encode()) for number in range(700)]


@pytest.mark.parametrize(
    ("number", "path"),
    [(0, "000"), (67, "067"), (999, "999"), (1000, "x001/000"), (1234067, "x001/x234/067")],
)
def test_a_number_is_written_in_groups_of_three(number: int, path: str) -> None:
    assert path_of(number) == path
    assert parse_path(path) == (number, WIDTH)
    assert parse_path(f"{path}.p/8") == (number, 8)


@given(st.integers(0, (1 << 55) - 1), st.integers(1, 255))
def test_every_path_is_read_as_it_was_written(number: int, width: int) -> None:
    assert parse_path(f"{path_of(number)}.p/{width}") == (number, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "1",
        "0000",
        "x001",
        "001/002",
        "x000/067",
        "067.p/0",
        "067.p/256",
        "067.p/08",
        "067.p/",
        "../067",
        "٠٠٠",
        "067\n",
    ],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    assert parse_path(path) is None


def test_the_tiles_of_the_example_in_the_specification() -> None:
    """ "A tree of 70,000 entries has 273 full tiles and a partial one of 112 of level 0 ..."""
    widths = tiles_of(70_000)
    assert sum(1 for (level, _), width in widths if (level, width) == (0, 256)) == 273
    assert widths[273] == ((0, 273), 112)
    assert widths[274:] == [((1, 0), 256), ((1, 1), 17), ((2, 0), 1)]


def read(tile: tuple[int, int]) -> list[bytes]:
    level, number = tile
    row = LEAVES
    for _ in range(level):
        row = [perfect_root(row[start : start + WIDTH]) for start in range(0, len(row) // WIDTH * WIDTH, WIDTH)]
    return row[number * WIDTH : (number + 1) * WIDTH]


@pytest.mark.parametrize(("level", "index"), [(0, 0), (0, 699), (3, 7), (7, 1), (8, 0), (8, 1), (9, 0)])
def test_a_node_is_the_root_over_its_leaves_whatever_tile_has_it(level: int, index: int) -> None:
    assert node_of(level, index, read) == perfect_root(LEAVES[index << level : (index + 1) << level])


def test_a_node_that_is_not_whole_has_no_hash() -> None:
    with pytest.raises(LookupError):
        node_of(8, 2, read)


def test_a_bundle_has_every_entry_behind_its_length() -> None:
    assert bundle([b"ab", b"", b"x" * 300]) == b"\0\2ab\0\0\1\x2c" + b"x" * 300

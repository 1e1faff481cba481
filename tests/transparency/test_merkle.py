"""The tree is that of RFC 6962, to the byte, and its proofs prove nothing else."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from highroad.transparency import merkle
from highroad.transparency.merkle import (
    Frontier,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    perfect_root,
    proves_consistency,
    proves_inclusion,
    root_of,
    subtrees,
)

# The test tree of Certificate Transparency.
LEAVES = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
HASHES = [leaf_hash(each) for each in LEAVES]


def node(level: int, index: int) -> bytes:
    return perfect_root(HASHES[index << level : (index + 1) << level])


@pytest.mark.parametrize("size", range(9))
def test_the_roots_are_those_of_the_test_tree_of_certificate_transparency(size: int) -> None:
    assert root_of(HASHES[:size]).hex() == ROOTS[size]


def test_an_inclusion_proof_is_the_one_of_the_test_tree() -> None:
    assert [each.hex() for each in inclusion_proof(5, 8, node)] == [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def test_a_consistency_proof_is_the_one_of_the_test_tree() -> None:
    assert [each.hex() for each in consistency_proof(6, 8, node)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]


def definition(leaves: list[bytes]) -> bytes:
    """MTH as RFC 6962 defines it, word for word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(definition(leaves[:split]), definition(leaves[split:]))


@pytest.mark.parametrize("size", [*range(70), 255, 256, 257, 511, 512, 700])
def test_a_frontier_has_the_root_of_the_definition_however_it_grew(size: int) -> None:
    leaves = [leaf_hash(str(number).encode()) for number in range(size)]
    one_by_one, at_once = Frontier(), Frontier()
    for leaf in leaves:
        one_by_one.append(0, leaf)
    at_once.extend(leaves[: size // 3])
    at_once.extend(leaves[size // 3 :])
    assert one_by_one.root() == at_once.root() == definition(leaves)
    assert at_once.hashes() == [
        perfect_root(leaves[index << level : (index + 1) << level]) for level, index in subtrees(0, size)
    ]


def test_a_frontier_takes_no_subtree_where_none_can_stand() -> None:
    frontier = Frontier()
    frontier.append(0, HASHES[0])
    with pytest.raises(ValueError, match="level 1"):
        frontier.append(1, HASHES[1])


@given(st.integers(0, 3000), st.integers(0, 3000))
def test_subtrees_cover_a_range_without_a_gap(start: int, length: int) -> None:
    at = start
    for level, index in subtrees(start, start + length):
        assert index << level == at
        at = (index + 1) << level
    assert at == start + length


MANY = [leaf_hash(str(number).encode()) for number in range(130)]


def many(level: int, index: int) -> bytes:
    return perfect_root(MANY[index << level : (index + 1) << level])


@settings(deadline=None)
@given(st.integers(1, 130), st.data())
def test_every_leaf_is_proved_and_no_other_leaf_place_size_or_root_is(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    proof, root = inclusion_proof(index, size, many), root_of(MANY[:size])
    assert proves_inclusion(MANY[index], index, size, proof, root)
    assert not proves_inclusion(leaf_hash(b"another"), index, size, proof, root)
    assert not proves_inclusion(MANY[index], size, size, proof, root)
    assert not proves_inclusion(MANY[index], index, size, [*proof, root], root)
    assert not proves_inclusion(MANY[index], index, size, proof, leaf_hash(b"another"))
    if proof:
        place = data.draw(st.integers(0, size - 1).filter(lambda other: other != index))
        assert not proves_inclusion(MANY[index], place, size, proof, root)
        assert not proves_inclusion(MANY[index], index, size, proof[:-1], root)
        changed = data.draw(st.integers(0, len(proof) - 1))
        broken = [leaf_hash(each) if number == changed else each for number, each in enumerate(proof)]
        assert not proves_inclusion(MANY[index], index, size, broken, root)


@settings(deadline=None)
@given(st.integers(0, 130), st.data())
def test_every_beginning_is_proved_and_no_other_is(second: int, data: st.DataObject) -> None:
    first = data.draw(st.integers(0, second))
    proof, old, new = consistency_proof(first, second, many), root_of(MANY[:first]), root_of(MANY[:second])
    assert proves_consistency(first, second, proof, old, new)
    assert not proves_consistency(first, second, proof, leaf_hash(b"another"), new)
    assert not proves_consistency(second + 1, second, proof, old, new)
    assert not proves_consistency(first, second, [*proof, new], old, new)
    if proof:
        assert not proves_consistency(first, second, proof, old, leaf_hash(b"another"))
        assert not proves_consistency(first, second, proof[:-1], old, new)


def test_no_proof_is_made_of_what_is_not_there() -> None:
    with pytest.raises(ValueError, match="no leaf 8"):
        inclusion_proof(8, 8, node)
    with pytest.raises(ValueError, match="does not begin"):
        consistency_proof(9, 8, node)


def test_leaves_and_nodes_are_hashed_apart() -> None:
    assert merkle.leaf_hash(HASHES[0] + HASHES[1]) != node_hash(HASHES[0], HASHES[1])

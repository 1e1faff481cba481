"""The proof over HTTP: whoever reads it can check it with nothing but what it gives."""

from __future__ import annotations

import base64

import pytest

from highroad.access import store as users
from highroad.events import store as events
from highroad.events.model import Recorded
from highroad.kit.ids import new_id
from highroad.transparency import checkpoint, notes
from highroad.transparency.merkle import leaf_hash, proves_consistency, proves_inclusion, root_of
from highroad.transparency.verify import verify
from tests.world import Api

CHECKPOINT = "/audit/checkpoint"


@pytest.fixture
def shop(api: Api) -> Api:
    for name in ("shop", "bank", "blog"):
        assert api.admin.post("/projects", json={"name": name}).status_code == 201
    return api


def newest_event(api: Api) -> Recorded:
    with api.db.read() as tx:
        return events.latest(tx, limit=1)[0]


def test_a_checkpoint_covers_the_log_and_is_signed_by_the_published_key(shop: Api) -> None:
    answer = shop.admin.get(CHECKPOINT)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    stated, note = checkpoint.read(answer.text)
    keys = shop.admin.get("/audit/keys").json()
    assert keys["origin"] == stated.origin
    assert checkpoint.signed_by(note, [notes.public_key(each) for each in keys["keys"]]) is not None
    assert notes.public_key(keys["cosigning"][0]) == notes.public_key(keys["keys"][0])


def test_an_event_is_proved_by_line_path_and_root(shop: Api) -> None:
    event = newest_event(shop)
    proof = shop.admin.get(f"/audit/events/{event.id}/proof").json()
    stated, _ = checkpoint.read(proof["checkpoint"])
    leaf = leaf_hash(proof["line"].encode())
    assert leaf.hex() == proof["leaf"]
    assert f'"id":"{event.id}"' in proof["line"]
    path = [bytes.fromhex(each) for each in proof["proof"]]
    assert proves_inclusion(leaf, proof["position"], stated.size, path, stated.root)


def test_an_event_that_is_not_there_is_404(shop: Api) -> None:
    answer = shop.admin.get("/audit/events/evt_none/proof")
    assert (answer.status_code, answer.json()["code"]) == (404, "event-not-in-the-log")


def test_the_log_is_proved_to_continue_an_older_checkpoint(shop: Api) -> None:
    old, _ = checkpoint.read(shop.admin.get(CHECKPOINT).text)
    shop.admin.post("/projects", json={"name": "later"})
    new, _ = checkpoint.read(shop.admin.get(CHECKPOINT).text)
    answer = shop.admin.get("/audit/consistency", params={"first": old.size, "second": new.size}).json()
    proof = [bytes.fromhex(each) for each in answer["proof"]]
    assert proves_consistency(old.size, new.size, proof, old.root, new.root)


@pytest.mark.parametrize("sizes", [{"first": 5, "second": 4}, {"second": 10_000}])
def test_a_size_that_the_tree_never_had_is_422(shop: Api, sizes: dict[str, int]) -> None:
    answer = shop.admin.get("/audit/consistency", params=sizes)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad-tree-size")


def test_tiles_and_entries_are_what_the_root_is_made_of(shop: Api) -> None:
    stated, _ = checkpoint.read(shop.admin.get(CHECKPOINT).text)
    hashes = shop.admin.get(f"/audit/tile/0/000.p/{stated.size}").content
    leaves = [hashes[start : start + 32] for start in range(0, len(hashes), 32)]
    assert root_of(leaves) == stated.root
    bundle = shop.admin.get(f"/audit/tile/entries/000.p/{stated.size}").content
    entries = []
    while bundle:
        length = int.from_bytes(bundle[:2], "big")
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    assert [leaf_hash(each) for each in entries] == leaves


@pytest.mark.parametrize(
    "path", ["0/000", "0/001.p/1", "1/000.p/1", "entries/000", "x/000", "0/x", "99/000", "0/000.p/0"]
)
def test_a_tile_that_is_not_there_is_404(shop: Api, path: str) -> None:
    shop.admin.get(CHECKPOINT)
    answer = shop.admin.get(f"/audit/tile/{path}")
    assert (answer.status_code, answer.json()["code"]) == (404, "no-such-tile")


def test_the_archive_verifies_without_the_installation(shop: Api) -> None:
    keys = shop.admin.get("/audit/keys").json()["keys"]
    content = shop.admin.get("/audit/export").content
    report = verify(lambda: iter(content.splitlines(keepends=True)), keys=[notes.public_key(each) for each in keys])
    assert report.sound, report.findings
    assert report.events > 3


def test_the_live_log_is_checked_and_that_is_recorded_once(shop: Api) -> None:
    shop.admin.get(CHECKPOINT)
    first, second = (shop.admin.get("/audit/verification").json() for _ in range(2))
    assert first["sound"], first
    assert first["findings"] == []
    assert second["events"] == first["events"]
    assert "auditlog.verified" in newest_event(shop).type


def test_checkpoints_are_listed_newest_first(shop: Api) -> None:
    sizes = []
    for number in range(3):
        shop.admin.post("/projects", json={"name": f"more-{number}"})
        sizes.append(checkpoint.read(shop.admin.get(CHECKPOINT).text)[0].size)
    listed = shop.admin.get("/audit/checkpoints", params={"page_size": 2}).json()["items"]
    assert [each["size"] for each in listed] == sizes[:0:-1]
    older = shop.admin.get("/audit/checkpoints", params={"before": sizes[1]}).json()["items"]
    assert older[0]["size"] == sizes[0]


def test_retention_is_chosen_and_that_is_recorded(shop: Api) -> None:
    assert shop.admin.get("/audit/retention").json() == {"days": 365, "statements": []}
    assert shop.admin.put("/audit/retention", json={"days": 730}).json()["days"] == 730
    event = newest_event(shop)
    custom = event.data["customData"]
    assert isinstance(custom, dict)
    assert (custom["before"], custom["after"]) == ({"days": 365}, {"days": 730})


def test_shortening_the_retention_takes_an_owner(shop: Api) -> None:
    with shop.db.begin() as tx:
        user = users.add_user(tx, id=new_id("usr"), email="eve@example.com", name="Eve", role="admin")
    eve = shop.caller_with("read", "write", "admin", user=user)
    refused = eve.put("/audit/retention", json={"days": 100})
    assert (refused.status_code, refused.json()["code"]) == (403, "retention-not-yours")
    assert eve.put("/audit/retention", json={"days": 400}).status_code == 200
    assert shop.admin.put("/audit/retention", json={"days": 100}).status_code == 200


@pytest.mark.parametrize("days", [0, -1, 1, 89, 40_000])
def test_a_retention_that_makes_no_sense_is_422(shop: Api, days: int) -> None:
    assert shop.admin.put("/audit/retention", json={"days": days}).json()["code"] == "bad-retention"


def test_a_witness_is_added_with_a_secret_that_is_shown_once(shop: Api) -> None:
    made = shop.admin.post("/audit/witnesses", json={"kind": "webhook", "address": "https://witness.example/h"})
    assert made.status_code == 201
    assert len(base64.b64decode(made.json()["secret"].removeprefix("whsec_"))) == 32
    listed = shop.admin.get("/audit/witnesses").json()["items"]
    assert [each["address"] for each in listed] == ["https://witness.example/h"]
    assert "secret" not in listed[0]
    assert shop.admin.delete(f"/audit/witnesses/{listed[0]['id']}").status_code == 204
    assert shop.admin.delete(f"/audit/witnesses/{listed[0]['id']}").json()["code"] == "no-such-witness"


@pytest.mark.parametrize(
    ("kind", "address"),
    [
        ("pigeon", "https://witness.example"),
        ("webhook", "ftp://witness.example"),
        ("webhook", "https://ada:secret@witness.example"),
        ("webhook", "http://169.254.169.254/"),
        ("webhook", "syslog+tcp://witness.example:601"),
        ("git", "file:///srv/repository.git"),
        ("git", "ext::sh -c date"),
        ("git", "--upload-pack=date"),
        ("git", "https://ada:secret@witness.example/r.git"),
        ("git", "/srv/repository.git"),
    ],
)
def test_what_cannot_be_a_witness_is_422(shop: Api, kind: str, address: str) -> None:
    answer = shop.admin.post("/audit/witnesses", json={"kind": kind, "address": address})
    assert answer.status_code == 422
    assert "secret" not in answer.text


def test_members_see_and_change_nothing_of_it(shop: Api) -> None:
    assert shop.member.put("/audit/retention", json={"days": 1}).status_code == 403
    assert shop.member.post("/audit/witnesses", json={"kind": "git", "address": "https://x.example"}).status_code == 403
    assert shop.nobody.get(CHECKPOINT).status_code == 401

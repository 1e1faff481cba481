"""The proof of the audit log: check a file or the live log, print checkpoint and keys, choose retention and witnesses.

`verify FILE` needs no installation: it runs the same code on the file that the installation runs on its tables.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from highroad.cli.command import command, group
from highroad.cli.failures import OperationFailed, Usage
from highroad.cli.invocation import Invocation
from highroad.cli.output import ago
from highroad.client.problems import Json

if TYPE_CHECKING:
    from highroad.transparency.findings import Report

SHOWN = 50
BUFFER = 1024 * 1024


class NoSuchArchive(Usage):
    code = "no-such-archive"
    title = "The file cannot be read"


@command("verify")
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option("--key", "keys", multiple=True, metavar="KEY|FILE", help="A key that you trust: highroad audit key.")
@click.option(
    "--checkpoint",
    "kept",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A checkpoint that you or a witness kept: the log has to continue it.",
)
def verify(invocation: Invocation, file: Path | None, keys: tuple[str, ...], kept: tuple[Path, ...]) -> None:
    """Check an export of the audit log offline, or the live log when no FILE is named.

    FILE is what `highroad audit export` writes. What was changed, dropped, inserted, reordered or back-dated is named,
    and the exit code is 1.
    """
    if file is None:
        if keys or kept:
            raise Usage(
                "--key and --checkpoint go with a FILE.", next_step="highroad audit export -o FILE, then verify"
            )
        with invocation.client(timeout=600.0) as client:
            document = client.get("/audit/verification")
        trusted = True
    else:
        report = _check(file, keys, kept)
        document, trusted = _document(report), report.trusted
    invocation.output.document(document)
    _tell(invocation, document, trusted=trusted)


def _check(file: Path, keys: tuple[str, ...], kept: tuple[Path, ...]) -> Report:
    from highroad.transparency import notes
    from highroad.transparency.verify import verify as check

    trusted = [notes.public_key(each) for given in keys for each in _keys(given)]
    known = [_text(each) for each in kept]
    _text(file, size=1)
    return check(lambda: _lines(file), keys=trusted, known=known)


def _lines(file: Path) -> Iterator[bytes]:
    with file.open("rb", buffering=BUFFER) as opened:
        yield from opened


def _keys(given: str) -> list[str]:
    """A key as it is printed, or the lines of a file with keys."""
    if "+" in given and not Path(given).exists():
        return [given]
    return [line for line in _text(Path(given)).splitlines() if line.strip()]


def _text(file: Path, size: int = -1) -> str:
    try:
        with file.open(errors="replace", newline="") as opened:
            return opened.read(size)
    except OSError as error:
        raise NoSuchArchive(
            f"{file}: {error.strerror}.", next_step="Name a file that `highroad audit export -o FILE` wrote."
        ) from error


def _document(report: Report) -> Json:
    from dataclasses import asdict

    signed = report.signed_at.isoformat() if report.signed_at else None
    return {**asdict(report), "root": report.root.hex(), "signed_at": signed, "sound": report.sound}


def _tell(invocation: Invocation, report: Json, *, trusted: bool) -> None:
    output = invocation.output
    for each in report["findings"][:SHOWN]:
        line = f"line {each['line']}: " if each.get("line") else ""
        output.say(f"{output.paint(str(each['kind']), 'red')}: {line}{each['detail']}")
    faults = int(report["faults"])
    if faults > SHOWN:
        output.say(f"... and {faults - SHOWN} more; --json shows up to a thousand.")
    if faults:
        raise OperationFailed(
            "The audit log was tampered with or damaged",
            f"{faults} {'thing is' if faults == 1 else 'things are'} wrong in {report['origin']}.",
            next_step="Compare with a backup and with what witnesses kept; see docs/how-to/verify-the-audit-log.md.",
        )
    output.say(f"The log {report['origin']} is sound.")
    output.say(f"  {report['events']} events checked, {_beside(report)}{report['checkpoints']} checkpoints.")
    output.say(f"  Size {report['size']}, root {report['root']}, signed {report['signed_at']}.")
    if not trusted:
        output.note("The keys were taken from the file itself. With one that you wrote down it proves more: --key KEY")
        for key in report.get("keys", []):
            output.note(f"  {key}")


def _beside(report: Json) -> str:
    parts = ((report.get("dropped"), "dropped by retention"), (report.get("left_out"), "left out of this file"))
    return "".join(f"{count} {why}, " for count, why in parts if count)


@command("checkpoint")
def checkpoint(invocation: Invocation) -> None:
    """Print the newest checkpoint: keep it, and the log can never be rewritten unseen."""
    with invocation.client() as client:
        parts: list[bytes] = []
        client.download("/audit/checkpoint", parts.append)
    note = b"".join(parts).decode()
    invocation.output.document({"checkpoint": note})
    invocation.output.say(note.removesuffix("\n"))


@command("key")
def key(invocation: Invocation) -> None:
    """Print the public keys that checkpoints are verified with. Write them down outside of the installation."""
    with invocation.client() as client:
        found = client.get("/audit/keys")
    invocation.output.document(found)
    for each in found["keys"]:
        invocation.output.say(str(each))


@command("prove")
@click.argument("identity", metavar="ID")
def prove(invocation: Invocation, identity: str) -> None:
    """Prove that one event stands in the log, and check the proof here."""
    from highroad.client.api import path_of
    from highroad.transparency import checkpoint as checkpoints
    from highroad.transparency import notes
    from highroad.transparency.merkle import leaf_hash, proves_inclusion

    with invocation.client() as client:
        found = client.get(f"{path_of('audit', 'events', identity)}/proof")
        keys = [notes.public_key(each) for each in client.get("/audit/keys")["keys"]]
    invocation.output.document(found)
    stated, note = checkpoints.read(str(found["checkpoint"]))
    proof = [bytes.fromhex(each) for each in found["proof"]]
    leaf, position = leaf_hash(str(found["line"]).encode()), int(found["position"])
    signed = checkpoints.signed_by(note, keys)
    if signed is None or not proves_inclusion(leaf, position, stated.size, proof, stated.root):
        raise OperationFailed(
            "The proof does not hold",
            "Line, path and root do not fit.",
            next_step="Check the whole log: highroad audit verify",
        )
    invocation.output.say(str(found["line"]))
    invocation.output.say(f"stands at position {position} of {stated.size}, signed by {signed[0].name}.")


@command("retention")
@click.option("--days", type=int, help="Keep events for so many days from now on; fewer than before takes an owner.")
def retention(invocation: Invocation, days: int | None) -> None:
    """Show or choose how long events are kept, and what was dropped by signed statement."""
    with invocation.client() as client:
        path = "/audit/retention"
        found = client.get(path) if days is None else client.put(path, {"days": days})
    invocation.output.document(found)
    invocation.output.say(f"Events are kept for {found['days']} days.")
    rows = [(each["time"], each["count"], each["end"], each["policy"]) for each in found["statements"]]
    if rows:
        invocation.output.table(("DROPPED AT", "EVENTS", "UP TO POSITION", "WHY"), rows, empty="")


@command("list")
def list_witnesses(invocation: Invocation) -> None:
    """List who gets each new checkpoint, how far they are, and what went wrong last."""
    with invocation.client() as client:
        found = list(client.items("/audit/witnesses"))
    invocation.output.document({"items": found})
    rows = [
        (each["id"], each["kind"], each["size"], ago(each.get("seen_at")), each["address"], each.get("error"))
        for each in found
    ]
    headers = ("ID", "KIND", "SIZE", "LAST", "TO", "ERROR")
    invocation.output.table(headers, rows, empty="No witness: highroad audit witness add webhook https://HOST/PATH")


@command("add")
@click.argument("kind", type=click.Choice(["webhook", "git"]))
@click.argument("address")
@click.option("--password", help="What an HTTPS repository asks for.", envvar="HIGHROAD_WITNESS_PASSWORD")
def add_witness(invocation: Invocation, kind: str, address: str, password: str | None) -> None:
    """Give every new checkpoint to a webhook, or push it to a Git repository."""
    body: dict[str, Any] = {"kind": kind, "address": address}
    if password:
        body["password"] = password
    with invocation.client() as client:
        made = client.post("/audit/witnesses", body)
    invocation.output.document(made)
    invocation.output.say(f"{made['id']} gets every new checkpoint.")
    if made.get("secret"):
        invocation.output.note("It checks signatures (Standard Webhooks) with this secret, which is shown this once:")
        invocation.output.say(str(made["secret"]))


@command("remove")
@click.argument("identity", metavar="ID")
def remove_witness(invocation: Invocation, identity: str) -> None:
    """Give a witness no more checkpoints. Those it has, it keeps."""
    from highroad.client.api import path_of

    with invocation.client() as client:
        client.delete(path_of("audit", "witnesses", identity))
    invocation.output.document({"id": identity, "removed": True})
    invocation.output.say(f"{identity} gets no more checkpoints.")


witness = group(
    "witness", list_witnesses, add_witness, remove_witness, help="Give checkpoints to others, who keep them."
)

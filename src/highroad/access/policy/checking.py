"""Whether a Cedar text is one that can come into force: parsed, without templates, and true to our schema. Pure.

Cedar names the statement that is wrong; people look for a line, so the text is cut into its statements here as well.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from cedarpy import policies_to_json_str, validate_policies

from highroad.access.policy.schema import schema
from highroad.errors import FieldError, Invalid

LONGEST = 20_000
"""Characters of one policy."""
DEEPEST = 20
"""Brackets in one another: the parser descends on the native stack, and what overflows that takes the process along."""
MOST_OPERATORS = 40
"""In one statement, for the same reason: operators in a row nest as deeply as brackets do."""
LONGEST_PATH = 10
"""Attributes in a row."""
_PIECE = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"|;|[^;"/]+|/|"', re.DOTALL)
_OPERATOR = re.compile(r"&&|\|\||[-+*!]|\bif\b")
_PATH = re.compile(rf"(?:\s*\.\s*\w+){{{LONGEST_PATH + 1},}}")
_ID = re.compile(r"policy(\d+)")


class BadPolicy(Invalid):
    code = "bad-policy"
    title = "The policy cannot be used"


class Problem(NamedTuple):
    """`line` counts from 1; it is where the statement begins that is wrong."""

    line: int
    detail: str


class Statement(NamedTuple):
    line: int
    text: str


def require_policy(text: str, *, field: str = "policy") -> None:
    """Raise `BadPolicy` with every problem and its line."""
    found = problems(text)
    if found:
        raise BadPolicy(
            "; ".join(f"line {each.line}: {each.detail}" for each in found)[:1000],
            next_step="Correct it. Actions and nouns: highroad policies schema",
            errors=[FieldError(f"/{field}", f"line {each.line}: {each.detail}") for each in found],
        )


def problems(text: str) -> list[Problem]:
    """What is wrong with the text, from its beginning to its end."""
    if len(text) > LONGEST:
        return [Problem(1, f"it is longer than {LONGEST} characters")]
    parts = statements(text)
    if not parts:
        return [Problem(1, "it has no statement")]
    tangled = [Problem(part.line, told) for part in parts if (told := _tangled(part.text))]
    if tangled:
        return tangled
    unreadable = [Problem(part.line, told) for part in parts if (told := _unreadable(part.text))]
    if unreadable:
        return unreadable
    found = dict.fromkeys(
        Problem(_line(parts, each.policy_id), _plain(each.error)) for each in validate_policies(text, schema()).errors
    )
    return sorted(found)


def statements(text: str) -> list[Statement]:
    """The text cut at the semicolons that stand neither in a comment nor in quotes."""
    found: list[Statement] = []
    begin, written = 0, False
    start = 0
    for piece in _PIECE.finditer(text):
        part = piece[0]
        if part.startswith("//"):
            continue
        if part.strip() and not written:
            start, written = piece.start() + len(part) - len(part.lstrip()), True
        if part == ";" and written:
            found.append(Statement(text.count("\n", 0, start) + 1, text[begin : piece.end()]))
            begin, written = piece.end(), False
    if written:
        found.append(Statement(text.count("\n", 0, start) + 1, text[begin:]))
    return found


def _tangled(statement: str) -> str:
    """Why the statement is too intricate to be handed to the parser at all; empty when it is not."""
    bare = "".join(piece[0] for piece in _PIECE.finditer(statement) if not piece[0].startswith(("//", '"')))
    depth = deepest = 0
    for character in bare:
        depth += (character in "([{") - (character in ")]}")
        deepest = max(deepest, depth)
    if deepest > DEEPEST:
        return f"brackets are nested more than {DEEPEST} deep"
    if len(_OPERATOR.findall(bare)) > MOST_OPERATORS:
        return f"it has more than {MOST_OPERATORS} operators; write several statements, or a set: [..].contains(..)"
    return f"it goes through more than {LONGEST_PATH} attributes in a row" if _PATH.search(bare) else ""


def _unreadable(statement: str) -> str:
    try:
        read = json.loads(policies_to_json_str(statement))
    except ValueError as error:
        return _plain(str(error).splitlines()[0])
    return "templates (?principal, ?resource) are not taken" if read["templates"] else ""


def _line(parts: list[Statement], policy_id: str) -> int:
    matched = _ID.fullmatch(policy_id)
    number = int(matched[1]) if matched else 0
    return parts[min(number, len(parts) - 1)].line


def _plain(message: str) -> str:
    return re.sub(r"^for policy `policy\d+`, ", "", message).removeprefix("Policy parse error: ")[:300]

"""Reading `.env` files for `highroad config import`: the common subset of what dotenv tools and shells agree on.

`KEY=value`, `export KEY=value`, comments, single quotes (literal), double quotes (over several lines if need be, with
the escapes n, t, r, $, quotation mark and backslash). Nothing is expanded: a value that refers to another variable is
taken as written.
"""

from __future__ import annotations

import re

from highroad.errors import FieldError, Invalid

_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*")
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "$": "$"}


class BadDotenv(Invalid):
    code = "bad-dotenv"
    title = "The file of variables cannot be read"


def parse(text: str, *, file: str) -> dict[str, str]:
    """The variables of a `.env` file; a later line wins. Raises `BadDotenv` with file and line, never with a value."""
    variables: dict[str, str] = {}
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        line = lines[number]
        number += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _ASSIGNMENT.match(line)
        if match is None:
            raise _bad(file, number, "this is not KEY=value")
        rest, first = line[match.end() :], number
        while rest[:1] in ("'", '"') and _closing(rest) < 0:
            if number == len(lines):
                raise _bad(file, first, "the quotation mark is never closed")
            rest = f"{rest}\n{lines[number]}"
            number += 1
        variables[match[1]] = _value(rest, file, first)
    return variables


def _closing(text: str) -> int:
    """The position of the quotation mark that closes the one at 0, or -1."""
    quote = text[0]
    position = 1
    while position < len(text):
        if text[position] == "\\" and quote == '"':
            position += 1
        elif text[position] == quote:
            return position
        position += 1
    return -1


def _value(rest: str, file: str, line: int) -> str:
    if rest[:1] not in ("'", '"'):
        return re.sub(r"(^|\s+)#.*$", "", rest).strip()
    end = _closing(rest)
    after = rest[end + 1 :].strip()
    if after and not after.startswith("#"):
        raise _bad(file, line, "there is text after the closing quotation mark")
    inside = rest[1:end]
    if rest[0] == "'":
        return inside
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), inside, flags=re.DOTALL)


def _bad(file: str, line: int, detail: str) -> BadDotenv:
    return BadDotenv(
        f"{file}:{line}: {detail}.",
        next_step=f"Mend line {line} of {file}.",
        errors=[FieldError(f"{file}:{line}", detail)],
    )

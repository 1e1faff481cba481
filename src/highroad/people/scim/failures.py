"""What a SCIM client can do wrong: errors with the `scimType` of RFC 7644, table 9, in SCIM's own error body."""

from __future__ import annotations

from typing import ClassVar

from highroad.errors import Conflict, HighroadError, Invalid, Malformed, NotFound, Outdated

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"
_GUIDE = "See the how-to page about provisioning with SCIM."


class ScimProblem(Malformed):
    """400 with a `scimType`."""

    scim_type: ClassVar[str] = "invalidSyntax"
    code = "scim-invalid-syntax"
    title = "The SCIM request cannot be understood"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, next_step=_GUIDE)


class BadFilter(ScimProblem):
    scim_type = "invalidFilter"
    code = "scim-invalid-filter"
    title = "The SCIM filter cannot be understood"


class BadPath(ScimProblem):
    scim_type = "invalidPath"
    code = "scim-invalid-path"
    title = "The SCIM path leads nowhere"


class NoTarget(ScimProblem):
    scim_type = "noTarget"
    code = "scim-no-target"
    title = "The SCIM path matches nothing"


class BadValue(ScimProblem):
    scim_type = "invalidValue"
    code = "scim-invalid-value"
    title = "The SCIM value cannot be used"


class Immutable(ScimProblem):
    scim_type = "mutability"
    code = "scim-mutability"
    title = "The SCIM attribute cannot be changed so"


class NotUnique(Conflict):
    code = "scim-uniqueness"
    title = "There is one of this name"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, next_step="Look for it with a filter and change it instead.")


class NoSuchResource(NotFound):
    code = "scim-no-such-resource"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, next_step=_GUIDE)


class ChangedMeanwhile(Outdated):
    code = "scim-changed-meanwhile"


class NotImplementedHere(HighroadError):
    status = 501
    code = "scim-not-implemented"
    title = "This part of SCIM is not implemented"


def body(error: HighroadError) -> dict[str, object]:
    """The error as RFC 7644, 3.12 has it: `status` is text."""
    document: dict[str, object] = {"schemas": [ERROR], "status": str(error.status), "detail": error.detail}
    if isinstance(error, ScimProblem):
        document["scimType"] = error.scim_type
    elif isinstance(error, NotUnique):
        document["scimType"] = "uniqueness"
    elif isinstance(error, Invalid):
        document |= {"status": "400", "scimType": "invalidValue"}
    return document

"""What Highroad has of SCIM's users and groups: one description, served to clients and used to read what they send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from highroad.people.scim.failures import BadValue
from highroad.people.scim.filters import AttributePath

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
_SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"
_RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
_CONFIG = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
LONGEST_TEXT = 254
MOST_VALUES = 10_000
LARGEST_PAGE = 200
PASSED_OVER = frozenset(
    {
        "nickname",
        "profileurl",
        "title",
        "usertype",
        "preferredlanguage",
        "locale",
        "timezone",
        "password",
        "phonenumbers",
        "ims",
        "photos",
        "addresses",
        "entitlements",
        "roles",
        "x509certificates",
        "department",
        "manager",
        "employeenumber",
        "costcenter",
        "organization",
        "division",
    }
)
"""Attributes of RFC 7643 that Highroad has no use for, in small letters: sent, they are left out without a word."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """`parts` are those of a complex attribute. `many`: a list of values. What is not `writable` is ignored when a
    client sends it; what is `immutable` is part of a value that comes and goes as a whole."""

    name: str
    kind: Literal["string", "boolean", "complex", "reference"] = "string"
    meaning: str = ""
    many: bool = False
    required: bool = False
    writable: bool = True
    immutable: bool = False
    case_exact: bool = False
    unique: Literal["none", "server"] = "none"
    canonical: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    parts: tuple[Attribute, ...] = ()

    def part(self, name: str) -> Attribute | None:
        return next((each for each in self.parts if each.name.lower() == name.lower()), None)

    def read(self, value: Any) -> Any:
        """A client's value in our form. Raises `BadValue`."""
        if not self.many:
            return self.read_one(value)
        values = value if isinstance(value, list) else [value]
        if len(values) > MOST_VALUES:
            raise BadValue(f"{self.name} has at most {MOST_VALUES} values.")
        return [self.read_one(each) for each in values]

    def read_one(self, value: Any) -> Any:
        if self.kind == "boolean":
            return self._truth(value)
        if self.kind == "complex":
            return self._parts(value)
        if not isinstance(value, str) or len(value) > LONGEST_TEXT or "\0" in value:
            raise BadValue(f"{self.name} is a text of at most {LONGEST_TEXT} characters.")
        return value

    def _truth(self, value: Any) -> bool:
        if isinstance(value, str) and value.lower() in ("true", "false"):
            return value.lower() == "true"  # Entra ID sends "False"
        if not isinstance(value, bool):
            raise BadValue(f"{self.name} is true or false.")
        return value

    def _parts(self, value: Any) -> dict[str, Any]:
        if isinstance(value, str) and self.part("value"):
            value = {"value": value}
        if not isinstance(value, Mapping):
            raise BadValue(f"{self.name} is an object.")
        named = {each.name.lower(): each for each in self.parts}
        return {
            named[key.lower()].name: named[key.lower()].read(given)
            for key, given in value.items()
            if given is not None and key.lower() in named and named[key.lower()].writable
        }

    def described(self) -> dict[str, Any]:
        document: dict[str, Any] = {
            "name": self.name,
            "type": self.kind,
            "multiValued": self.many,
            "description": self.meaning or self.name,
            "required": self.required,
            "caseExact": self.case_exact,
            "mutability": "immutable" if self.immutable else "readWrite" if self.writable else "readOnly",
            "returned": "default",
            "uniqueness": self.unique,
        }
        if self.canonical:
            document["canonicalValues"] = list(self.canonical)
        if self.references:
            document["referenceTypes"] = list(self.references)
        if self.parts:
            document["subAttributes"] = [each.described() for each in self.parts]
        return document


@dataclass(frozen=True, slots=True)
class ResourceKind:
    name: Literal["User", "Group"]
    schema: str
    endpoint: str
    meaning: str
    attributes: tuple[Attribute, ...]

    def attribute(self, path: AttributePath) -> Attribute | None:
        if path.urn is not None and path.urn.lower() != self.schema.lower():
            return None
        return next((each for each in (*self.attributes, EXTERNAL_ID) if each.name.lower() == path.name), None)

    def read(self, document: object) -> dict[str, Any]:
        """A whole resource that a client sent, reduced to what Highroad has. Raises `BadValue`."""
        if not isinstance(document, Mapping):
            raise BadValue("A resource is an object.")
        read: dict[str, Any] = {}
        for key, value in document.items():
            attribute = self.attribute(AttributePath(str(key).rpartition(":")[2].lower()))
            if attribute is not None and attribute.writable and value is not None:
                read[attribute.name] = attribute.read(value)
        missing = [each.name for each in self.attributes if each.required and read.get(each.name) in (None, "")]
        # These follow from something else where they are missing: whoever makes a user of it says when not.
        missing = [name for name in missing if name not in ("emails", "active")]
        if missing:
            raise BadValue(f"{' and '.join(missing)} must be given.")
        return read


EXTERNAL_ID = Attribute("externalId", meaning="What the directory calls it.", case_exact=True)
_WHICH = Attribute("value", meaning="The id.", immutable=True, case_exact=True)
USERS = ResourceKind(
    "User",
    USER,
    "/Users",
    "People who may sign in.",
    (
        Attribute("userName", meaning="The directory's name for them.", required=True, unique="server"),
        Attribute(
            "name",
            "complex",
            "Their name.",
            parts=(Attribute("givenName", meaning="First name."), Attribute("familyName", meaning="Last name.")),
        ),
        Attribute("displayName", meaning="What people read."),
        Attribute(
            "emails",
            "complex",
            "Their email address; Highroad keeps one. It may be left out where userName is one.",
            many=True,
            required=True,
            parts=(
                Attribute("value", meaning="The address.", unique="server", required=True),
                Attribute("type", meaning="What it is for.", canonical=("work", "home", "other")),
                Attribute("primary", "boolean", "Whether it is the one to write to."),
            ),
        ),
        Attribute("active", "boolean", "False ends sessions and tokens at once; true when left out.", required=True),
        Attribute(
            "groups",
            "complex",
            "Teams that they are in, also through others.",
            many=True,
            writable=False,
            parts=(
                Attribute("value", meaning="The team's id.", writable=False, case_exact=True),
                Attribute("$ref", "reference", "The team.", writable=False, references=("Group",), case_exact=True),
                Attribute("display", meaning="The team's title.", writable=False),
                Attribute("type", meaning="direct or indirect.", writable=False, canonical=("direct", "indirect")),
            ),
        ),
    ),
)
GROUPS = ResourceKind(
    "Group",
    GROUP,
    "/Groups",
    "Teams.",
    (
        Attribute("displayName", meaning="The team's title.", required=True, unique="server"),
        Attribute(
            "members",
            "complex",
            "People, and teams below it.",
            many=True,
            parts=(
                _WHICH,
                Attribute(
                    "$ref",
                    "reference",
                    "The member.",
                    immutable=True,
                    references=("User", "Group"),
                    case_exact=True,
                ),
                Attribute("type", meaning="User or Group.", immutable=True, canonical=("User", "Group")),
            ),
        ),
    ),
)
KINDS = (USERS, GROUPS)


def schema_documents(base: str) -> list[dict[str, Any]]:
    return [
        {
            "schemas": [_SCHEMA],
            "id": kind.schema,
            "name": kind.name,
            "description": kind.meaning,
            "attributes": [each.described() for each in kind.attributes],
            "meta": {"resourceType": "Schema", "location": f"{base}/Schemas/{kind.schema}"},
        }
        for kind in KINDS
    ]


def resource_types(base: str) -> list[dict[str, Any]]:
    return [
        {
            "schemas": [_RESOURCE_TYPE],
            "id": kind.name,
            "name": kind.name,
            "description": kind.meaning,
            "endpoint": kind.endpoint,
            "schema": kind.schema,
            "schemaExtensions": [],
            "meta": {"resourceType": "ResourceType", "location": f"{base}/ResourceTypes/{kind.name}"},
        }
        for kind in KINDS
    ]


def provider_config(base: str) -> dict[str, Any]:
    return {
        "schemas": [_CONFIG],
        "patch": {"supported": True},
        "bulk": {"supported": False, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": True, "maxResults": LARGEST_PAGE},
        "changePassword": {"supported": False},
        "sort": {"supported": False},
        "etag": {"supported": True},
        "authenticationSchemes": [
            {
                "type": "oauthbearertoken",
                "name": "Bearer token",
                "description": "A policy token of Highroad that allows directory:write.",
                "specUri": "https://www.rfc-editor.org/info/rfc6750",
                "primary": True,
            }
        ],
        "meta": {"resourceType": "ServiceProviderConfig", "location": f"{base}/ServiceProviderConfig"},
    }

"""What the slices' HTTP modules share: bodies, answers, paging, instants, and the router with our route class."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict, PlainSerializer, model_validator

from highroad.kit.clock import rfc3339
from highroad.kit.paging import Page, PageRequest, page_request
from highroad.web.declared import DECLARED
from highroad.web.problems import PROBLEMS
from highroad.web.routes import NOT_KEPT, ApiRoute

Item = TypeVar("Item")
Row = TypeVar("Row")

DEEPEST = 50
"""Levels of arrays and objects in a request; none of ours needs ten."""

Instant = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
"""An instant as RFC 3339 in UTC."""


class Body(BaseModel):
    """A request: unknown fields are refused, because a misspelt one that is ignored surprises more."""

    model_config = ConfigDict(extra="forbid", str_max_length=100_000)

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, data: Any) -> Any:
        _require_plain(data)
        return data


def _require_plain(data: object) -> None:
    """Raise `ValueError` for what is nested too deep or holds a NUL. It needs no stack."""
    level, depth = [data], 0
    while level:
        if depth > DEEPEST:
            raise ValueError(f"it is nested more than {DEEPEST} levels deep")
        inner: list[object] = []
        for value in level:
            if isinstance(value, str) and "\0" in value:
                raise ValueError("a text has a NUL character, which no database and no environment can hold")
            if isinstance(value, dict):
                inner += [*value, *value.values()]
            elif isinstance(value, list):
                inner += value
        level, depth = inner, depth + 1


class Answer(BaseModel):
    """A response."""

    model_config = ConfigDict(from_attributes=True)


class Listing(BaseModel, Generic[Item]):
    """A page of a list: pass `next_page_token` as `page_token` for the next one; null: that was all."""

    items: list[Item]
    next_page_token: str | None = None


def _keep_nothing(response: Response) -> None:
    response.headers["Cache-Control"] = NOT_KEPT


SECRET = Depends(_keep_nothing)
"""The dependency of a route whose answer holds a secret: nobody on the way stores it, and neither do we."""


OPEN: dict[str, Any] = {"security": []}
"""`openapi_extra` of a route that takes requests of people who are not signed in. A test lists them."""


def does(*actions: str, **extra: Any) -> dict[str, Any]:
    """`openapi_extra` of a route, API or page: the actions that it decides upon, of which each answer that succeeds has
    asked at least one. `web.declared` holds every route to it."""
    return {DECLARED: list(actions), **extra}


def api_router(tag: str) -> APIRouter:
    return APIRouter(prefix="/api/v1", tags=[tag], route_class=ApiRoute, responses=PROBLEMS)


def paging(
    page_size: Annotated[int | None, Query(description="Rows on a page, at most 500; 50 when left out.")] = None,
    page_token: Annotated[str | None, Query(description="`next_page_token` of the page before.")] = None,
) -> PageRequest:
    return page_request(page_size, page_token)


def listing(page: Page[Row], answer: Callable[[Row], Item]) -> dict[str, Any]:
    return {"items": [answer(row) for row in page.items], "next_page_token": page.next_page_token}

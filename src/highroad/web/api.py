"""What the slices' HTTP modules share: paging parameters, a page as JSON, the router with our route class, instants."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, PlainSerializer

from highroad.kit.clock import rfc3339
from highroad.kit.paging import Page, PageRequest, page_request
from highroad.web.routes import ApiRoute

Item = TypeVar("Item")
Row = TypeVar("Row")

Instant = Annotated[datetime, PlainSerializer(rfc3339, return_type=str)]
"""An instant as RFC 3339 in UTC."""


class Body(BaseModel):
    """A request: unknown fields are refused, because a misspelt one that is ignored surprises more."""

    model_config = ConfigDict(extra="forbid", str_max_length=100_000)


class Answer(BaseModel):
    """A response."""

    model_config = ConfigDict(from_attributes=True)


class Listing(BaseModel, Generic[Item]):
    """A page of a list: pass `next_page_token` as `page_token` for the next one; null: that was all."""

    items: list[Item]
    next_page_token: str | None = None


def api_router(tag: str) -> APIRouter:
    return APIRouter(prefix="/api/v1", tags=[tag], route_class=ApiRoute)


def paging(
    page_size: Annotated[int | None, Query(description="Rows on a page, at most 500; 50 when left out.")] = None,
    page_token: Annotated[str | None, Query(description="`next_page_token` of the page before.")] = None,
) -> PageRequest:
    return page_request(page_size, page_token)


def listing(page: Page[Row], answer: Callable[[Row], Item]) -> dict[str, Any]:
    return {"items": [answer(row) for row in page.items], "next_page_token": page.next_page_token}

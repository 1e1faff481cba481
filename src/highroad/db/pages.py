"""A page of rows by their id, newest first: ids sort by time of creation (`kit.ids`), so the id is the position."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, RowMapping, Select

from highroad.db.engine import Transaction
from highroad.kit.paging import Page, PageRequest, page_of

Row = TypeVar("Row")


def newest_first(
    tx: Transaction,
    statement: Select[Any],
    id: ColumnElement[str],
    request: PageRequest,
    make: Callable[[RowMapping], Row],
) -> Page[Row]:
    """Rows of `statement` by descending `id`, each made by `make`. All are read before any is made, because making one
    may ask the same connection again."""
    ordered = statement.order_by(id.desc()).limit(request.size + 1)
    if request.after is not None:
        ordered = ordered.where(id < request.after)
    rows = tx.execute(ordered).mappings().all()
    page = page_of(rows, request, lambda row: str(row["id"]))
    return Page(tuple(make(row) for row in page.items), page.next_page_token)

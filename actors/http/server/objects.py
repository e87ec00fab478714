"""Stored objects: their fields now and in the past, and edits."""

from __future__ import annotations

from actors.control.objects import ObjectHandle
from actors.http.models import ChangeList, EditedModel, ItemList, ObjectList
from actors.http.requests import HistoryQuery, ItemsQuery, ObjectQuery, ObjectsQuery, ReasonBody
from actors.http.routes import Route, TokenScope
from actors.http.server.request_context import Exchange
from actors.model.control_options import EditOptions
from actors.model.object_info import ObjectDeletion, ObjectInfo


async def list_objects(exchange: Exchange, query: ObjectsQuery) -> ObjectList:
    """List keyed objects that have been used, by service and key."""
    found = await exchange.client.objects(query.service, after=query.after, begin=query.begin, limit=query.limit)
    return ObjectList(objects=found, next=found.next)


async def get_object(exchange: Exchange, query: ObjectQuery) -> ObjectInfo:
    """Show an object's fields, its mailbox and its holder, now or as of an event of its log."""
    return await _named(exchange).info(at=query.at)


async def list_items(exchange: Exchange, query: ItemsQuery) -> ItemList:
    """List items of a log or a map, now or as of an event of the object's log."""
    kept = _named(exchange)
    items = await kept.items(exchange.path["field"], at=query.at, start=query.start, limit=query.limit)
    return ItemList(items=items, next=items.next)


async def list_changes(exchange: Exchange, query: HistoryQuery) -> ChangeList:
    """List the past values of a field, oldest or newest first, with time and author."""
    changes = await _named(exchange).history(
        exchange.path["field"],
        after=query.after,
        before=query.before,
        newest_first=query.newest_first,
        limit=query.limit,
    )
    return ChangeList(changes=changes)


async def edit_object(exchange: Exchange, body: EditOptions) -> EditedModel:
    """Change fields of an object, all of them or none, in the order of its mailbox."""
    kept = _named(exchange)
    edit = exchange.client.edit_object(kept.service, kept.key, body, exchange.idempotency_key)
    edited = await exchange.wait(edit)
    return EditedModel(
        changed=edited.changed,
        version_before=edited.version_before,
        before=edited.before,
        after=edited.after,
    )


async def delete_object(exchange: Exchange, body: ReasonBody) -> ObjectDeletion:
    """Delete an object with its fields, items and ended invocations. The next call creates a new object."""
    return await _named(exchange).delete(reason=body.reason)


def _named(exchange: Exchange) -> ObjectHandle:
    return exchange.client.object(exchange.path["service"], exchange.path["key"])


_ONE = "/objects/{service}/{key}"

ROUTES = (
    Route("GET", "/objects", TokenScope.READ, list_objects),
    Route("GET", _ONE, TokenScope.READ, get_object),
    Route("GET", _ONE + "/fields/{field}/items", TokenScope.READ, list_items),
    Route("GET", _ONE + "/fields/{field}/history", TokenScope.READ, list_changes),
    Route("PATCH", _ONE + "/fields", TokenScope.ADMIN, edit_object, holds_values=True, repeatable=True),
    Route("PATCH", _ONE + "/delete", TokenScope.ADMIN, delete_object),
)

"""Keyed objects for a client in this process: fields now and in the past, and edits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actors.control.local.calls import LocalCalls
from actors.engine.requests import DeleteObject, ObjectRequest
from actors.engine.waiter import Reply
from actors.errors import ConflictError, ErrorCode, InvalidArgumentError, NotFoundError, ResourceKind
from actors.model.keys import checked_key
from actors.model.object_info import page_of_objects
from actors.model.requests import NO_OPTIONS
from actors.query.field_history import field_history
from actors.query.objects import object_info, object_items, object_names
from actors.rows.audit import ControlAction
from actors.values import ValueProblem, decode_kept
from actors.values.limits import within_limit
from actors.values.names import EDIT, is_system
from actors.values.outcomes import value_of
from journal.events import Kind, Stamp, Target
from journal.ids import stream_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from actors.model.control_options import EditOptions
    from actors.model.definitions import Definition, HandlerDefinition
    from actors.model.edit import Edit, EditResult
    from actors.model.object_info import FieldChange, ItemInfo, ObjectDeletion, ObjectInfo, ObjectName
    from actors.model.pages import Page


class LocalObjects(LocalCalls):
    """Reads objects from rows as of one moment, and edits them on behalf of a client."""

    async def object_names(
        self, service: str | None, after: ObjectName | None, limit: int, begin: str
    ) -> Page[ObjectName]:
        async with self.snapshot() as snapshot:
            names = self._names_of(service)
            found = [each for name in names for each in object_names(snapshot, name, after, limit + 1, begin=begin)]
        if len(names) > 1:
            found.sort(key=lambda name: (name.key, name.service))
        return page_of_objects(found, limit)

    def _names_of(self, service: str | None) -> Sequence[str | None]:
        """Return the names under which objects of a class may be stored."""
        try:
            return [None] if service is None else self.engine.app.find(service).names
        except NotFoundError:
            return [service]

    async def object_info(self, service: str, key: str, at: int | None) -> ObjectInfo:
        definition, service = self._class_of(service, key)
        async with self.snapshot() as snapshot:
            return await object_info(snapshot, service, key, definition, at)

    async def object_items(
        self, service: str, key: str, field: str, *, at: int | None, start: str, limit: int
    ) -> Page[ItemInfo]:
        definition, service = self._class_of(service, key)
        async with self.snapshot() as snapshot:
            return await object_items(snapshot, service, key, field, definition, at=at, start=start, limit=limit)

    async def field_history(
        self, service: str, key: str, field: str, *, after: int, before: int | None, newest_first: bool, limit: int
    ) -> list[FieldChange]:
        definition, service = self._class_of(service, key)
        async with self.snapshot() as snapshot:
            return await field_history(
                snapshot,
                service,
                key,
                field,
                definition,
                after=after,
                before=before,
                newest_first=newest_first,
                limit=limit,
            )

    async def edit_object(
        self, service: str, key: str, options: EditOptions, idempotency_key: str | None
    ) -> EditResult:
        edit = options.edit()
        definition, service = self._class_of(service, key)
        if definition is None:
            raise NotFoundError(
                f"no class named {service} is served, so its objects can be read but not changed; serve that class, or a class with "
                f"aliases=({service!r},)",
                kind=ResourceKind.SERVICE,
            )
        if is_system(service):
            raise ConflictError(
                f"{service} is built in; only its own handlers can change its fields", code=ErrorCode.NOT_POSSIBLE
            )
        target = Target(service, key, EDIT)
        handler = definition.handler(EDIT)
        argument = within_limit(_as_json(handler, edit, target), self.limits.payload_bytes, f"the edit of {target}")
        request = self.in_namespace(idempotency_key)
        secret = self.engine.journal.secret
        now = self.environment.clock.now()
        command = self.command(
            definition, target, request, argument, handler.signature.parameter, NO_OPTIONS, secret, now
        )
        command = msgspec.structs.replace(command, if_free=not options.queue)
        act = ControlAction(verb="edit", target=f"{service}/{key}", detail=_fields_of(edit), reason=options.reason)
        is_fresh = command.request is None
        outcome = await self.engine.submit_call(command, self.who, at=now, is_fresh=is_fresh, act=act).wait()
        data = value_of(outcome, command.invocation_id)
        edited: EditResult = decode_kept(handler.signature.returns, data, f"the result of {target}")
        return edited

    async def delete_object(self, service: str, key: str, reason: str) -> ObjectDeletion:
        _, service = self._class_of(service, key)
        if is_system(service):
            raise ConflictError(f"{service} is built in; its objects cannot be deleted", code=ErrorCode.NOT_POSSIBLE)
        act = ControlAction(verb="delete", target=f"{service}/{key}", reason=reason)
        reply: Reply[ObjectDeletion] = Reply()
        stream, stamp = stream_of(service, key), Stamp(self.environment.clock.now(), act.target, self.who.by)
        asked = DeleteObject(service=service, key=key)
        request = ObjectRequest(stream, asked, stamp, reply=reply, source=self.who.source, act=act)
        return await self.engine.ask(request, reply)

    def _class_of(self, service: str, key: str) -> tuple[Definition | None, str]:
        """Return the class of an object, or None if it is stored and not served, and its stored name.

        Raises :class:`actors.NotFoundError`, ``InvalidArgumentError`` and ``ConflictError``.
        """
        app, stored = self.engine.app, self.engine.stored
        if service not in app and not is_system(service) and stored.has_object(service, key):
            return None, service
        definition = app.find(service)
        if definition.kind is Kind.SERVICE:
            raise ConflictError(f"{service} is a service: it has no keys and no fields", code=ErrorCode.NOT_POSSIBLE)
        checked_key(definition, key, self.limits.key_bytes)
        return definition, definition.home(service, key, stored)


def _as_json(handler: HandlerDefinition, edit: Edit, target: Target) -> bytes:
    try:
        return handler.signature.encode((edit,), {})
    except ValueProblem as error:
        raise InvalidArgumentError(f"the edit of {target}: {error.path}: {error.problem}", path=error.path) from error


def _fields_of(edit: Edit) -> str:
    return ", ".join(sorted({*edit.set, *edit.clear, *edit.items, *edit.remove}))

"""The handle of one object: its fields now and in the past, its holder, and edits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.errors import InvalidArgumentError
from actors.model.control_options import EditOptions
from actors.model.edit import EditResult, name_of_item
from actors.model.keys import checked_request_key
from actors.model.pages import MAX_PAGE, Page
from actors.values import ValueProblem, Written, parse, write_by_own_type
from actors.values.arguments import MAX_COUNT, checked_count, checked_text, count_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.control.backend import Backend
    from actors.model.object_info import FieldChange, ItemInfo, ObjectDeletion, ObjectInfo


@attrs.frozen(eq=False)
class ObjectHandle:
    """A keyed object, from ``client.object(Counter, "bob")``.

    ::

        counter = client.object(Counter, "bob")
        print((await counter.info()).fields)
        await counter.edit(set={"value": 5}, if_version=3, reason="counted by hand")
    """

    _backend: Backend
    service: str
    key: str

    async def info(self, *, at: int | None = None) -> ObjectInfo:
        """Return the object's fields, mailbox and holder; with ``at``, as of that event of its log.

        Raises ``NotFoundError`` if too much of its log has been purged, and ``InvalidArgumentError`` if there is no such
        event.
        """
        return await self._backend.object_info(self.service, self.key, count_or_none(at, "at"))

    async def items(self, field: str, *, at: int | None = None, start: str = "", limit: int = 100) -> Page[ItemInfo]:
        """List items of a ``Log`` from index ``start`` on, or of a ``Map`` after the key ``start`` (as JSON). The ``next`` of the page
        is the ``start`` of the next one.
        """
        return await self._backend.object_items(
            self.service,
            self.key,
            checked_text(field, "field"),
            at=count_or_none(at, "at"),
            start=checked_text(start, "start", MAX_COUNT),
            limit=checked_count(limit, "limit", at_most=MAX_PAGE),
        )

    async def history(
        self, field: str, *, after: int = 0, before: int | None = None, newest_first: bool = False, limit: int = 100
    ) -> list[FieldChange]:
        """Return the recorded changes of a field: by whom, when, and the new value.

        The oldest changes after event ``after``; with ``newest_first``, the newest before event ``before``. The changes of one
        event are not split, so the result may exceed ``limit`` by the rest of the last event. ``info().history_from`` shows
        whether older changes have been purged.
        """
        return await self._backend.field_history(
            self.service,
            self.key,
            checked_text(field, "field"),
            after=checked_count(after, "after", at_least=0),
            before=count_or_none(before, "before", at_least=0),
            newest_first=newest_first,
            limit=checked_count(limit, "limit", at_most=MAX_PAGE),
        )

    async def edit(
        self,
        *,
        set: Mapping[str, Any] | None = None,
        clear: Iterable[str] = (),
        items: Mapping[str, Mapping[str, Any]] | None = None,
        remove: Mapping[str, Iterable[str]] | None = None,
        if_version: int | None = None,
        queue: bool = False,
        reason: str = "",
        idempotency_key: str | None = None,
    ) -> EditResult:
        """Change fields, all of them or none, recorded as an event, in the order of the mailbox.

        ``set`` assigns values to plain fields, as their types or JSON have them (plain JSON for ``Any``). ``clear`` resets fields
        to their defaults, and empties maps. ``items`` and ``remove`` change items of maps, named by their keys as JSON. With
        ``if_version``, nothing is changed unless that event was the last to change the fields (``info().fields_version``). While
        a handler holds the key, or others wait for it, an edit is refused; with ``queue`` it waits its turn.

        Raises ``ConflictError``, ``NotFoundError`` and ``InvalidArgumentError``.
        """
        if isinstance(clear, str):
            raise InvalidArgumentError(f"clear is {clear!r}, expected a list of field names: [{clear!r}]", path="clear")
        written = {field: _written(value, field) for field, value in (set or {}).items()}
        written_items = {
            field: {key: _written(value, name_of_item(field, key)) for key, value in changed.items()}
            for field, changed in (items or {}).items()
        }
        by_name = written | {
            name_of_item(field, key): value
            for field, changed in written_items.items()
            for key, value in changed.items()
        }
        options = EditOptions(
            set={field: parse(value.data) for field, value in written.items()},
            clear=list(clear),
            items={
                field: {key: parse(value.data) for key, value in changed.items()}
                for field, changed in written_items.items()
            },
            remove={field: list(keys) for field, keys in (remove or {}).items()},
            if_version=if_version,
            json_loses={name: value.json_loses for name, value in by_name.items() if value.json_loses},
            queue=queue,
            reason=reason,
        )
        return await self._backend.edit_object(self.service, self.key, options, checked_request_key(idempotency_key))

    async def delete(self, *, reason: str = "") -> ObjectDeletion:
        """Delete the object in one commit: its fields, the items of its logs and maps, its log, and its ended invocations with their
        histories, results and output.

        The next call creates a new object with the default fields. The idempotency keys of the deleted invocations are free again, and
        so is the key of a workflow. Deleting an object that does not exist changes nothing. The records of other objects, such as the
        result of a call to this one, are kept, and so is the audit log.

        Raises ``ConflictError`` if an invocation of the object has not ended, and ``LimitExceededError`` if more than 10,000 have.
        """
        return await self._backend.delete_object(self.service, self.key, checked_text(reason, "reason"))


def _written(value: Any, field: str) -> Written:
    """Encode the new value of a field, or of an item. Raises :class:`InvalidArgumentError`."""
    try:
        return write_by_own_type(value)
    except ValueProblem as error:
        path = f"{field}{error.path[1:]}"
        raise InvalidArgumentError(f"{path}: {error.problem}", path=path) from error

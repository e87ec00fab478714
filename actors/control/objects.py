"""One object from outside: its fields now and then, who holds it, and changes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from actors.errors import InvalidArgumentError
from actors.model.edit import Edit, EditResult, name_of_item
from actors.model.keys import checked_request_key
from actors.values import ValueProblem, Written, parse, write_by_own_type
from actors.values.arguments import MAX_COUNT, checked_count, checked_text, count_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from actors.control.backend import Backend
    from actors.model.object_info import FieldChange, ItemInfo, ObjectInfo


@attrs.frozen(eq=False)
class ObjectHandle:
    """A keyed object, as ``client.object(Counter, "bob")`` gives it.

    ::

        counter = client.object(Counter, "bob")
        print((await counter.info()).fields)
        await counter.edit(set={"value": 5}, if_version=3, reason="counted by hand")
    """

    _backend: Backend
    service: str
    key: str

    async def info(self, *, at: int | None = None) -> ObjectInfo:
        """Its fields, its mailbox and who holds it; with ``at``, as they were after that event of its log.

        Raises ``HistoryGoneError`` where too much of its log has been purged, ``InvalidArgumentError`` for no such event.
        """
        return await self._backend.object_info(self.service, self.key, count_or_none(at, "at"))

    async def items(self, field: str, *, at: int | None = None, start: str = "", limit: int = 100) -> list[ItemInfo]:
        """Items of a ``Log`` from position ``start`` on, or of a ``Map`` behind the key ``start`` (as JSON)."""
        return await self._backend.object_items(
            self.service,
            self.key,
            checked_text(field, "field"),
            at=count_or_none(at, "at"),
            start=checked_text(start, "start", MAX_COUNT),
            limit=checked_count(limit, "limit"),
        )

    async def history(
        self, field: str, *, after: int = 0, before: int | None = None, newest_first: bool = False, limit: int = 100
    ) -> list[FieldChange]:
        """What a field has been, as far as histories are kept: by whom it was changed, when, and to what.

        The oldest changes behind event ``after``; with ``newest_first``, the newest before event ``before``. What one event
        has changed is not torn apart: ``limit`` is exceeded by the rest of the last one. ``info().history_from`` tells
        whether older changes have been purged.
        """
        return await self._backend.field_history(
            self.service,
            self.key,
            checked_text(field, "field"),
            after=checked_count(after, "after", at_least=0),
            before=count_or_none(before, "before", at_least=0),
            newest_first=newest_first,
            limit=checked_count(limit, "limit"),
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
        """Change fields: all of it or nothing, recorded as an event, in the order of the mailbox.

        ``set`` gives plain fields values, as their types or JSON have them (where the type is ``Any``, as JSON has them); ``clear`` gives fields back their defaults, and maps no items;
        ``items`` and ``remove`` change items of maps, named by their keys as JSON. With ``if_version`` nothing is done unless
        the fields were last changed by that event (``info().fields_version``). While a handler holds the key, or others wait
        for it, an edit is refused; with ``queue`` it waits its turn.

        Raises ``KeyHeldError``, ``VersionConflictError``, ``UnknownFieldError``, ``InvalidArgumentError``,
        ``NotPossibleError``.
        """
        if isinstance(clear, str):
            raise InvalidArgumentError(f"clear is {clear!r}, expected the names of fields: [{clear!r}]")
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
        edit = Edit(
            set={field: parse(value.data) for field, value in written.items()},
            clear=list(clear),
            items={
                field: {key: parse(value.data) for key, value in changed.items()}
                for field, changed in written_items.items()
            },
            remove={field: list(keys) for field, keys in (remove or {}).items()},
            if_version=count_or_none(if_version, "if_version", at_least=0),
            json_loses={name: value.json_loses for name, value in by_name.items() if value.json_loses},
        )
        return await self._backend.edit_object(
            self.service,
            self.key,
            edit,
            queue=queue,
            reason=checked_text(reason, "reason"),
            idempotency_key=checked_request_key(idempotency_key),
        )


def _written(value: Any, field: str) -> Written:
    """A new value of a field, or of an item of it. Raises :class:`InvalidArgumentError`."""
    try:
        return write_by_own_type(value)
    except ValueProblem as error:
        path = f"{field}{error.path[1:]}"
        raise InvalidArgumentError(f"{path}: {error.problem}", path=path) from error

"""The fields of one object as one attempt sees them.

A value is decoded on first use. Changes, including those inside lists and dictionaries, are detected when the handler next waits
or ends: every value that was used is encoded again and compared. An attempt starts from the object as it was and makes its
changes again.
"""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from actors.errors import ErrorCode, FieldMisuseError, MisuseError, NoLongerFitsError
from actors.model.contexts import current_step
from actors.model.fields import UNREAD, FieldKind
from actors.model.items import IMMUTABLE, may_only_read
from actors.model.log_view import LogView
from actors.model.map_view import MapView
from actors.model.own_changes import Own
from actors.model.pins import Pins
from actors.replay.branches import current_branch
from actors.replay.updates import in_update
from actors.values import ValueProblem, says_the_same
from actors.values.limits import DEFAULT_LIMITS, within_limit
from journal import events as e
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from actors.model.fields import Field
    from actors.model.items import Items
    from journal.events import Event
    from journal.ids import InvocationId


_NOTHING_PREPARED: Sequence[Event] = ()

_PLAIN = FieldKind.PLAIN  # a member of an enum takes several times as long to look up as a name of the module

_LARGE_BYTES = 1 << 16


class FieldView:
    """The fields that one attempt sees, and its changes since the last ``take_changes``.

    ``items`` are the items of its collections, or a function that makes them when they are first used. ``payload_bytes`` limits each
    new value. ``pinned`` are the fields that a shared handler read before a crash. ``kept`` is the
    object as it was in each part of the history that a restart copied; it is visible until ``go_on_from`` ends the part.
    """

    has_updates = False
    """Whether updates use the view, beside the handler of the run."""

    # Most attempts keep these defaults: they replay no part that a restart copied and no reads of a shared handler.
    _parts: Sequence[Pins] = ()
    _pinned = False
    _lengths: Mapping[str, int] | None = None
    _pinned_items: Mapping[str, dict[str, bytes | None]] = MappingProxyType({})
    _first_values: Mapping[str, bytes] = MappingProxyType({})
    _collections: Mapping[str, LogView[Any] | MapView[Any, Any]] = MappingProxyType({})

    def __init__(
        self,
        invocation_id: InvocationId,
        fields: Mapping[str, bytes],
        items: Items | Callable[[], Items],
        payload_bytes: int = DEFAULT_LIMITS.payload_bytes,
        prepares: Sequence[Field] = (),
        *,
        is_writer: bool = True,
        pinned: Pins | None = None,
        kept: Sequence[Pins] = (),
    ) -> None:
        self.invocation_id = invocation_id
        self._items = items
        self.is_writer = is_writer
        self.payload_bytes = payload_bytes
        self._stored = self._fields = fields
        self.prepares = prepares
        self.values: dict[str, Any] = {}
        self._written: dict[str, bytes] = {}
        self._touched: dict[str, Field] = {}
        if pinned is not None or kept:
            self._pinned = pinned is not None
            self._parts = kept
            self._today = Pins(fields, None, {}) if pinned is None else pinned
            base = self._parts[0] if self._parts else self._today
            self._fields, self._lengths, self._pinned_items = base.fields, base.lengths, base.items

    @property
    def items(self) -> Items:
        """The items of the object's collections."""
        items = self._items
        if callable(items):
            items = self._items = items()
        return items

    def prepare(self) -> None:
        """Run the factories of fields without a value, before the handler sees the object. Raises the errors of a
        factory.
        """
        made = dict(self._first_values)
        for field in self.prepares:
            name = field.name
            if field.factory is not None and name not in self._fields and self._other_kind(field) is None:
                stored = self._stored.get(name)
                made[name] = self._encode(field, field.make()) if stored is None else stored
        if made:
            self._first_values = made
            self._fields = {**made, **self._fields}

    def take_prepared(self) -> Sequence[Event]:
        """Return the changes that give the object its declared fields: values of factories and, for plain lists and
        dictionaries that the class now declares as a ``Log`` or a ``Map``, their items.
        """
        if not self.prepares:
            return _NOTHING_PREPARED
        made = {name: value for name, value in self._first_values.items() if name not in self._stored}
        prepared: list[Event] = []
        if made:
            prepared.append(e.FieldsInitialized(invocation_id=self.invocation_id, fields=made))
        for field in self.prepares if self.is_writer else ():
            if field.kind is not FieldKind.PLAIN and field.name in self._stored:
                with contextlib.suppress(NoLongerFitsError):  # raised when the field is used; it stays as it is
                    prepared.append(self._conversion(field, self._stored[field.name]))
        return prepared

    def _conversion(self, field: Field, data: bytes) -> Event:
        of, name = self.invocation_id, field.name
        if field.kind is FieldKind.LOG:
            return e.LogConverted(invocation_id=of, field=name, items=field.items_of_list(data))
        return e.MapConverted(invocation_id=of, field=name, items=field.items_of_dictionary(data))

    def check_turn(self, field: Field) -> None:
        """Raise unless the running code is the handler of this attempt, and not a step or the handler of another object."""
        branch = current_branch.get()
        if branch is None or branch.state is not self:
            raise _out_of_reach(field)

    def read(self, field: Field) -> Any:
        """Return the value of a plain field, or the collection of another."""
        branch = current_branch.get()
        if branch is None or branch.state is not self:
            raise _out_of_reach(field)
        name = field.name
        value = self.values.get(name, UNREAD)
        if value is not UNREAD:
            return value
        if field.kind is not _PLAIN:
            return self._collection(field)
        data = self._fields.get(name)
        if data is None:
            data = self._default_of(field)
        self._written[name] = data
        try:
            value = field.codec.read(data)
        except (ValueError, ValueProblem):
            value = field.decode(data)  # raises, with what would help, or reads another spelling
        self.values[name] = value
        if not isinstance(value, IMMUTABLE):
            self._touched[name] = field
        return value

    def write(self, field: Field, value: Any) -> None:
        """Change a field."""
        branch = current_branch.get()
        if branch is None or branch.state is not self:
            raise _out_of_reach(field)
        if not self.is_writer:
            raise may_only_read(field.name)
        if field.kind is not _PLAIN:
            raise FieldMisuseError(
                f"{field.name} is a {field.kind.value} and cannot be replaced; change its items",
            )
        if field.name not in self.values:
            self._check_kind(field)
        if self.has_updates and in_update.get(False):
            self._encode(field, value)  # raised here, because the change of an update concerns the update alone
        self.values[field.name] = value
        self._touched[field.name] = field

    def check_writable(self, field: Field) -> None:
        """Raise in a shared handler, and outside the handler of the object."""
        self.check_turn(field)
        if not self.is_writer:
            raise may_only_read(field.name)

    @property
    def may_have_changes(self) -> bool:
        """Whether ``take_changes`` may return any."""
        return bool(self._touched or self._collections or not self.is_writer)

    def take_changes(self, *, ended: bool) -> Sequence[Event]:
        """Return the changes since the last call, or the fields read for a shared handler that waits."""
        if not self.may_have_changes:
            return ()
        for collection in self._collections.values():
            collection.check_unchanged(ended=ended)
        if not self.is_writer:
            self._check_unchanged()
            return () if ended else self._pin()
        changes: list[Event] = []
        if self._touched:
            changed = self._changed_fields()
            if changed:
                changes.append(e.FieldsChanged(invocation_id=self.invocation_id, fields=changed))
        for collection in self._collections.values():
            change = collection.take_change()
            if change is not None:
                changes.append(change)
        return changes

    def take_back(self, *, ended: bool) -> BaseException | None:
        """Undo the changes since the last ``take_changes`` that cannot be recorded: the values are as they were. Returns the error of
        the first; None if all can be recorded. With ``ended``, all items of logs are looked at."""
        first: BaseException | None = None
        for name, field in list(self._touched.items()):
            try:
                self._encode(field, self.values[name])
            except BaseException as error:  # a user's class may raise anything while it is encoded
                self._put_back(field)
                first = error if first is None else first
        for collection in self._collections.values():
            lost = collection.take_back(ended=ended)
            first = lost if first is None else first
        return first

    def _put_back(self, field: Field) -> None:
        """Give a field its recorded value. A list, a dictionary or a set that other code of the handler may hold stays the same Python
        object."""
        name = field.name
        data = self._written.get(name) or self._fields.get(name)
        fresh = field.decode(self._default_of(field) if data is None else data)
        value = self.values[name]
        if type(value) is type(fresh) and isinstance(value, (dict, list, set)):
            value.clear()
            value.extend(fresh) if isinstance(value, list) else value.update(fresh)
        else:
            self.values[name] = fresh

    def go_on_from(self, changes: Sequence[Event]) -> None:
        """See the object as it is, or as it was in the next copied part, below the handler's own changes.

        A list or a dictionary that the handler may still hold stays the same Python object if its value is unchanged. So does a
        collection.
        """
        self._parts = self._parts[1:]
        base = self._parts[0] if self._parts else self._today
        own = Own.of(changes)
        self._lengths, self._pinned_items = base.lengths, base.items
        self._fields = {**self._first_values, **base.fields, **own.fields}
        self._forget_values()
        for collection in self._collections.values():
            collection.start_from(own)

    def _forget_values(self) -> None:
        fields, self._touched = self._touched, {}
        values, self.values = self.values, {}
        self._written = {}
        for name, field in fields.items():
            now = self._fields.get(name)
            if now is None:
                now = field.default
            if now is not None and field.encode(values[name]) == now:
                self.values[name], self._written[name], self._touched[name] = values[name], now, field

    def _check_unchanged(self) -> None:
        """Raise if a list or a dictionary that a shared handler received was changed: it is a copy, so the change would be lost
        silently."""
        for name, field in self._touched.items():
            if not says_the_same(field.codec, self.values[name], self._written[name]):
                raise may_only_read(name)

    def pinned_items(self, field: Field) -> dict[str, bytes | None]:
        """Return the former values of map items that may have changed since."""
        return self._pinned_items.get(field.name, {})

    def plain_log(self, field: Field) -> list[bytes] | None:
        """Return the items of a log that is still stored as a plain list."""
        plain = self._fields.get(field.name)
        return None if plain is None else field.items_of_list(plain)

    def plain_map(self, field: Field) -> dict[str, bytes] | None:
        """Return the items of a map that is still stored as a plain dictionary."""
        plain = self._fields.get(field.name)
        return None if plain is None else field.items_of_dictionary(plain)

    def log_length(self, field: Field) -> int:
        """Return the former length of a log."""
        return self._log_lengths.get(field.name, 0)

    @property
    def _log_lengths(self) -> Mapping[str, int]:
        return self.items.log_lengths() if self._lengths is None else self._lengths

    def _check_kind(self, field: Field) -> None:
        """Raise ``NoLongerFitsError`` if the field was another kind of collection before, whose items would become unreachable."""
        was = self._other_kind(field)
        if was is not None and field.name not in self._fields:
            raise NoLongerFitsError(
                f"{field.name} was stored by other code as a {was.value}, but is declared as {field.kind.value} now. "
                "Declare it as it was, or give the new field another name, then resume",
                path=field.name,
            )

    def _other_kind(self, field: Field) -> FieldKind | None:
        """Return the former kind of the field's collection if it differs and has items, else None."""
        if field.kind is not FieldKind.LOG and self._log_lengths.get(field.name):
            return FieldKind.LOG
        if field.kind is not FieldKind.MAP and field.name in self.items.map_names():
            return FieldKind.MAP
        return None

    def _collection(self, field: Field) -> LogView[Any] | MapView[Any, Any]:
        collection = self._collections.get(field.name)
        if collection is None:
            self._check_kind(field)
            made: LogView[Any] | MapView[Any, Any]
            made = LogView(self, field) if field.kind is FieldKind.LOG else MapView(self, field)
            self._collections = {**self._collections, field.name: made}
            return made
        return collection

    def _default_of(self, field: Field) -> bytes:
        self._check_kind(field)
        if field.default is None:
            raise BrokenInvariant("a field without a default has no first value")
        return field.default

    def only_fields(self) -> dict[str, bytes] | None:
        """Return the changed fields if nothing else has changed or must be recorded, else None. Raises as an encoder does."""
        if self._collections or (self.prepares and self.take_prepared()):
            return None
        return self._changed_fields() if self._touched else {}

    def _changed_fields(self) -> dict[str, bytes]:
        changed: dict[str, bytes] = {}
        mutable: dict[str, Field] = {}
        touched, values, written = self._touched, self.values, self._written
        for name, field in touched.items():
            value = values[name]
            try:
                data = field.codec.encode(value)
            except ValueProblem:
                data = field.encode(value)  # raises, with the name of the field
            if not isinstance(value, IMMUTABLE):
                mutable[name] = field
            size, before = len(data), written.get(name)
            if size > self.payload_bytes:
                within_limit(data, self.payload_bytes, f"field {name}")
            if before is None:
                before = self._fields.get(name)
            if data != before:
                changed[name] = data if size < _LARGE_BYTES else _without_slack(data)
        # Only now, so that an error leaves everything to the next look.
        written.update(changed)
        self._touched = mutable
        return changed

    def _encode(self, field: Field, value: Any) -> bytes:
        data = field.encode(value)
        return (
            data if len(data) <= self.payload_bytes else within_limit(data, self.payload_bytes, f"field {field.name}")
        )

    def _pin(self) -> Sequence[Event]:
        pins: list[Event] = []
        if not self._pinned:
            self._pinned = True
            lengths = self._lengths = dict(self.items.log_lengths())
            pins.append(e.ReadsPinned(invocation_id=self.invocation_id, fields=dict(self._fields), lengths=lengths))
        for collection in self._collections.values():
            if isinstance(collection, MapView):
                read = collection.take_reads()
                if read is not None:
                    pins.append(read)
        return pins


def _out_of_reach(field: Field) -> MisuseError | MisuseError:
    step = current_step.get()
    if step is None:
        return FieldMisuseError(
            f"field {field.name!r} is used outside a handler of its object, where it would be neither stored nor replayed; "
            "call a handler of the object",
        )
    return MisuseError(
        f"field {field.name!r} is used in step {step.name!r}, which cannot reach the fields of the object: read the field in the "
        "handler and pass its value to the step; return changes from the step and write them in the handler",
        code=ErrorCode.INSIDE_STEP,
    )


def _without_slack(data: bytes) -> bytes:
    """Copy the bytes to an object of exactly their size. msgspec leaves up to half as much unused after the encoded
    bytes, and a field stays in memory for a long time.
    """
    return bytes(memoryview(data))

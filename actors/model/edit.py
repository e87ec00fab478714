"""Edits: changes of an object's fields from outside.

An edit is an invocation like others, of a handler that every keyed class has: it waits its turn in the mailbox, runs alone, and
is recorded in the object's log. The name of the handler is not an identifier, so no user handler can have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from actors.errors import ConflictError, ErrorCode, InvalidArgumentError, NotFoundError, ResourceKind
from actors.model.fields import Field, FieldKind, view_of
from actors.model.map_view import MapView
from actors.values import ValueProblem, check_restored
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Mapping


_encode = msgspec.json.Encoder().encode


@attrs.frozen(kw_only=True)
class Edit:
    """A change of fields. Values are plain JSON values.

    ``set`` assigns new values to plain fields. ``clear`` resets fields to their defaults, and empties maps. ``items`` sets items
    of maps and ``remove`` removes some; both name items by their keys as JSON (``'"apple"'``). With ``if_version``, nothing is
    changed unless the event with that number was the last to change the fields.
    """

    set: dict[str, Any] = attrs.field(factory=dict)
    clear: list[str] = attrs.field(factory=list)
    items: dict[str, dict[str, Any]] = attrs.field(factory=dict)
    remove: dict[str, list[str]] = attrs.field(factory=dict)
    if_version: int | None = None
    json_loses: dict[str, str] = attrs.field(factory=dict)
    """For each field or item (:func:`name_of_item`): the types in the value that its JSON does not preserve."""


def name_of_item(field: str, key: str) -> str:
    """Return the name of an item in an edit and its result: ``FIELD[KEY]``."""
    return f"{field}[{key}]"


@attrs.frozen(kw_only=True)
class EditResult:
    """The result of an edit: the version of the fields that it found, and the old and new value of each changed field."""

    version_before: int
    before: dict[str, Any]
    after: dict[str, Any]

    @property
    def changed(self) -> bool:
        """Whether any value has changed."""
        return self.before != self.after


async def edit_fields(instance: Any, edit: Edit) -> EditResult:
    """Apply the edit and return its result. Raises ``ConflictError``, ``NotFoundError`` or ``InvalidArgumentError``."""
    version: int = instance.__dict__["_fields_version"]
    if edit.if_version is not None and edit.if_version != version:
        raise ConflictError(
            f"the fields were last changed by event {version}, but the edit expects {edit.if_version}. Read them again, then repeat the edit",
            details={"version": version},
            code=ErrorCode.VERSION_CONFLICT,
        )
    editor = _Editor(instance, edit.json_loses)
    for name, value in edit.set.items():
        editor.set(name, value)
    for name in edit.clear:
        editor.clear(name)
    for name, items in edit.items.items():
        for key, value in items.items():
            editor.set_item(name, key, value)
    for name, keys in edit.remove.items():
        for key in keys:
            editor.remove_item(name, key)
    return EditResult(version_before=version, before=editor.before, after=editor.after)


class _Editor:
    """Changes fields through the view of the attempt, as a handler would, and records the old values."""

    def __init__(self, instance: Any, json_loses: Mapping[str, str]) -> None:
        self._instance = instance
        self._json_loses = json_loses
        self._fields: Mapping[str, Field] = type(instance)._fields
        self.before: dict[str, Any] = {}
        self.after: dict[str, Any] = {}

    def set(self, name: str, value: Any) -> None:
        """Set a plain field."""
        field = self._plain(name)
        self._write(field, self._decoded(field, value, name))

    def clear(self, name: str) -> None:
        """Reset a plain field to its default, or empty a map."""
        field = self._field(name)
        if field.kind is FieldKind.LOG:
            raise ConflictError(
                f"{name} is a Log, which only grows and cannot be cleared. Restart with rewind_state",
                code=ErrorCode.NOT_POSSIBLE,
            )
        if field.kind is FieldKind.MAP:
            for key in self._map(name).stored_keys():
                self.remove_item(name, key)
            return
        self._write(field, field.make())

    def set_item(self, name: str, key: str, value: Any) -> None:
        """Set an item of a map."""
        items = self._map(name)
        field = self._field(name)
        self._note_item(name, key, items)
        items[_key(field, key)] = self._decoded(field, value, name_of_item(name, key))
        self.after[name_of_item(name, key)] = value

    def remove_item(self, name: str, key: str) -> None:
        """Remove an item of a map."""
        items = self._map(name)
        self._note_item(name, key, items)
        items.pop_if_there(_key(self._field(name), key))
        self.after[name_of_item(name, key)] = None

    def _write(self, field: Field, value: Any) -> None:
        self.before.setdefault(field.name, _plain(field, view_of(self._instance).read(field)))
        view_of(self._instance).write(field, value)
        self.after[field.name] = _plain(field, value)

    def _note_item(self, name: str, key: str, items: MapView[Any, Any]) -> None:
        field = self._field(name)
        found = items.get(_key(field, key), _NOTHING)
        self.before.setdefault(name_of_item(name, key), None if found is _NOTHING else _plain(field, found))

    def _decoded(self, field: Field, value: Any, name: str) -> Any:
        try:
            decoded = field.codec.decode(_encode(value))
            check_restored(decoded, field.codec, self._json_loses.get(name, ""))
        except ValueProblem as error:
            path = f"{name}{error.path[1:]}"
            raise InvalidArgumentError(f"{path}: {error.problem}", path=path) from error
        return decoded

    def _field(self, name: str) -> Field:
        field = self._fields.get(name)
        if field is None:
            known = ", ".join(sorted(self._fields)) or "none"
            raise NotFoundError(
                f"{type(self._instance).__name__} has no field {name!r}; it has {known}", kind=ResourceKind.FIELD
            )
        return field

    def _plain(self, name: str) -> Field:
        field = self._field(name)
        if field.kind is not FieldKind.PLAIN:
            raise ConflictError(
                f"{name} is a {field.kind.value}: it cannot be replaced. Set or remove items of a map",
                code=ErrorCode.NOT_POSSIBLE,
            )
        return field

    def _map(self, name: str) -> MapView[Any, Any]:
        field = self._field(name)
        if field.kind is not FieldKind.MAP:
            raise ConflictError(
                f"{name} is not a Map, so it has no items to set or remove", code=ErrorCode.NOT_POSSIBLE
            )
        found = view_of(self._instance).read(field)
        if not isinstance(found, MapView):
            raise BrokenInvariant("a field of this kind was not read as its view")
        return found


_NOTHING: Any = object()


def _key(field: Field, key: str) -> Any:
    try:
        return field.key_codec.decode(key.encode())
    except ValueProblem as error:
        raise InvalidArgumentError(
            f"{field.name}[{key}]: the key of an item must be JSON, with quotes around text: {error.problem}",
            path=field.name,
        ) from error


def _plain(field: Field, value: Any) -> Any:
    return msgspec.json.decode(field.codec.encode(value))

"""The fields of an object that stores some of them under former names (:mod:`actors.model.field_names`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.model.field_view import FieldView
from actors.model.pins import Pins

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from actors.model.field_names import FieldNames
    from actors.model.items import Items
    from journal.events import Event
    from journal.ids import InvocationId


class RenamedFieldView(FieldView):
    """A view whose fields have the names of their class, while all that is read and recorded has the names in the object."""

    def __init__(
        self,
        names: FieldNames,
        invocation_id: InvocationId,
        fields: Mapping[str, bytes],
        items: Items | Callable[[], Items],
        *args: Any,
        pinned: Pins | None = None,
        kept: Sequence[Pins] = (),
        **options: Any,
    ) -> None:
        self._names = names

        def renamed() -> Items:
            return RenamedItems(names, items() if callable(items) else items)

        super().__init__(
            invocation_id,
            names.declared(fields),
            renamed,
            *args,
            pinned=None if pinned is None else self._declared(pinned),
            kept=[self._declared(part) for part in kept],
            **options,
        )

    def _declared(self, pins: Pins) -> Pins:
        declared = self._names.declared
        lengths = None if pins.lengths is None else declared(pins.lengths)
        return Pins(declared(pins.fields), lengths, declared(pins.items))

    def take_prepared(self) -> Sequence[Event]:
        return [self._names.as_stored(event) for event in super().take_prepared()]

    def take_changes(self, *, ended: bool) -> Sequence[Event]:
        return [self._names.as_stored(event) for event in super().take_changes(ended=ended)]

    def go_on_from(self, changes: Sequence[Event]) -> None:
        super().go_on_from([self._names.as_declared(change) for change in changes])

    def only_fields(self) -> dict[str, bytes] | None:
        fields = super().only_fields()
        return None if fields is None else {self._names.stored(name): value for name, value in fields.items()}


class RenamedItems:
    """The items of collections (:class:`actors.model.items.Items`), by the names of the fields."""

    def __init__(self, names: FieldNames, items: Items) -> None:
        self._names = names
        self._items = items

    def log_lengths(self) -> Mapping[str, int]:
        return self._names.declared(self._items.log_lengths())

    def map_names(self) -> AbstractSet[str]:
        return self._names.declared(dict.fromkeys(self._items.map_names())).keys()

    def log_items(self, field: str, start: int, stop: int) -> Sequence[bytes]:
        return self._items.log_items(self._names.stored(field), start, stop)

    def map_item(self, field: str, key: bytes) -> bytes | None:
        return self._items.map_item(self._names.stored(field), key)

    def map_items(self, field: str) -> Iterable[tuple[bytes, bytes]]:
        return self._items.map_items(self._names.stored(field))

"""A ``Log`` field as one attempt sees it: the stored items, overlaid with the attempt's own changes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeVar, cast, overload

from actors.errors import FieldMisuseError
from actors.model.fields import Log
from actors.model.items import IMMUTABLE, ItemAccess, encoded_item
from actors.values import decode_kept, says_the_same
from journal import events as e

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from actors.model.fields import Field
    from actors.model.own_changes import Own
    from actors.values import Codec
    from journal.events import Event

T = TypeVar("T")

MAX_WATCHED = 4_096
"""How many items of a ``Log`` one attempt watches; more only while the handler holds references to them."""

PAGE = 256
"""How many items iteration over a ``Log`` reads at once."""

_ONE_WATCHED = (object(), b"")
_REFERENCES_OF_ONE_WATCHED = sys.getrefcount(_ONE_WATCHED[0])


class LogView(Log[T]):
    """A ``Log`` as one attempt sees it: the stored items, followed by its own.

    A mutable item is the same Python object each time it is read, and is watched: one that was just appended is recorded as it is
    when the handler next waits; a recorded one must not change. Items read in a turn are checked at the end of the turn, all
    others once more at the end of the handler.
    """

    def __init__(self, view: ItemAccess, field: Field) -> None:
        self._view = view
        self._field = field
        self._codec = cast("Codec[T]", field.codec)
        self._appended: list[bytes] = []
        self._taken = 0
        self._unrecorded: dict[int, T] = {}
        self._watched: dict[int, tuple[T, bytes]] = {}
        self._read_lately: dict[int, None] = {}
        self._watch_limit = MAX_WATCHED
        self._base()

    def _base(self) -> None:
        """Start from the items that are stored now."""
        self._plain = self._view.plain_log(self._field)
        self.base_length = self._view.log_length(self._field) if self._plain is None else len(self._plain)

    def append(self, item: T) -> None:
        self.extend((item,))

    def extend(self, items: Iterable[T]) -> None:
        self._view.check_writable(self._field)
        for item in items:
            position = len(self)
            self._appended.append(self._encode(position, item))
            if not isinstance(item, IMMUTABLE):
                self._unrecorded[position] = item

    def __len__(self) -> int:
        self._view.check_turn(self._field)
        return self.base_length + len(self._appended)

    def __deepcopy__(self, memo: object) -> LogView[T]:
        """Return the log itself: a step that receives it gets an error when it reads it."""
        return self

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: int | slice) -> T | list[T]:
        if isinstance(index, slice):
            chosen = range(len(self))[index]
            if not chosen:
                return []
            low, high = min(chosen[0], chosen[-1]), max(chosen[0], chosen[-1])
            found = self._read(low, high + 1)
            return [found[i - low] for i in chosen]
        position = index + len(self) if index < 0 else index
        if not 0 <= position < len(self):
            raise IndexError(f"{self._field.name} has {len(self)} items; index {index} is out of range")
        return self._read(position, position + 1)[0]

    def __iter__(self) -> Iterator[T]:
        for start in range(0, len(self), PAGE):
            yield from self._read(start, min(start + PAGE, len(self)))

    def take_change(self) -> Event | None:
        """Return the items appended since the last call, or None."""
        for position, item in self._unrecorded.items():
            data = self._appended[position - self.base_length] = self._encode(position, item)
            self._watched[position] = item, data
        self._unrecorded.clear()
        new = self._appended[self._taken :]
        if not new:
            return None
        self._taken = len(self._appended)
        return e.LogExtended(invocation_id=self._view.invocation_id, field=self._field.name, items=new)

    def check_unchanged(self, *, ended: bool) -> None:
        """Refuse a change of a recorded item. Raises :class:`FieldMisuseError`."""
        for position in list(self._watched if ended else self._read_lately):
            self._check_item(position)
        self._read_lately.clear()

    def take_back(self, *, ended: bool) -> BaseException | None:
        """Undo the changes of items that cannot be recorded. Returns the error of the first; None if all can be."""
        first: BaseException | None = None
        for position, item in list(self._unrecorded.items()):
            try:
                self._encode(position, item)
            except BaseException as error:  # as in FieldView.take_back()
                del self._unrecorded[position]  # it is read again as it was appended
                first = error if first is None else first
        for position in list(self._watched if ended else self._read_lately):
            try:
                self._check_item(position)
            except BaseException as error:
                del self._watched[position]
                self._read_lately.pop(position, None)
                first = error if first is None else first
        return first

    def start_from(self, own: Own) -> None:
        """Start after the items that are stored now, followed by these items of the handler."""
        self.check_unchanged(ended=True)
        self._watched.clear()
        self._base()
        self._appended = list(own.logs.get(self._field.name, ()))
        self._taken = len(self._appended)

    def _read(self, start: int, stop: int) -> list[T]:
        self._view.check_turn(self._field)
        if len(self._watched) > self._watch_limit:
            self._let_go()
        base = self.base_length
        stored: Sequence[bytes] = ()
        if self._plain is not None:
            stored = self._plain[start : min(stop, base)]
        elif start < base:
            stored = self._view.items.log_items(self._field.name, start, min(stop, base))
        data = [*stored, *self._appended[max(0, start - base) : max(0, stop - base)]]
        return [self._item(start + i, item) for i, item in enumerate(data)]

    def _item(self, position: int, data: bytes) -> T:
        if position in self._unrecorded:
            return self._unrecorded[position]
        watched = self._watched.get(position)
        if watched is not None:
            item = watched[0]
        else:
            item = decode_kept(self._codec, data, f"{self._field.name}[{position}]")
            if isinstance(item, IMMUTABLE):
                return item
            self._watched[position] = item, data
        self._read_lately[position] = None
        return item

    def _let_go(self) -> None:
        """Stop watching the oldest items that no other code refers to, because they can no longer change."""
        for position in list(self._watched)[:-MAX_WATCHED]:
            if sys.getrefcount(self._watched[position][0]) <= _REFERENCES_OF_ONE_WATCHED:
                self._check_item(position)
                del self._watched[position]
                self._read_lately.pop(position, None)
        self._watch_limit = max(MAX_WATCHED, 2 * len(self._watched))

    def _check_item(self, position: int) -> None:
        watched = self._watched.get(position)
        if watched is not None and not says_the_same(self._codec, *watched):
            raise FieldMisuseError(
                f"{self._field.name}[{position}] was changed in place, but items of a Log cannot change. "
                "Append a new item, or use a Map",
            )

    def _encode(self, position: int, item: T) -> bytes:
        return encoded_item(self._codec, item, self._field.name, position, self._view.payload_bytes)

"""Finds events in an encoded record without decoding the others."""

from __future__ import annotations

from bisect import bisect_right

from journal.codec import HEAD, count_of_fused, is_of_one_event
from journal.errors import CorruptRecord
from journal.tags import STAMP_TAG

_EVENTS_APART = 32
_KEPT_BYTES = 1 << 22


class RecordPlaces:
    """Where events are in the record that was read last.

    Hundreds of calls that wait for one key are often in one record, and are read one by one, each when its turn comes. With these
    places, each of the reads begins near its event. Only the bytes themselves are compared, so a record that was rewritten is another.
    """

    __slots__ = ("_first", "_places", "_record")

    def __init__(self) -> None:
        self._record = b""
        self._first = 0
        self._places: list[tuple[int, int, int]] = []

    def find(self, record: bytes, first_number: int, wanted: int) -> tuple[int, int, int]:
        """Return where to begin to decode a record, whose first event is ``first_number``, for the event ``wanted``: the number and the
        position of the frame that has it, and the position of its stamp, -1 if it has its own. At the end of the record, if that is
        before the event. Raises :class:`CorruptRecord` and ``struct.error``."""
        places = self._places_of(record, first_number)
        end, unpack_head, head_bytes = len(record), HEAD.unpack_from, HEAD.size
        number, position, stamp = places[bisect_right(places, (wanted, end, end)) - 1]
        while position < end:
            tag, length = unpack_head(record, position)
            start = position + head_bytes
            if start + length > end:
                raise CorruptRecord(f"the record ends inside event {number}")
            if tag == STAMP_TAG:
                stamp, position = position, start + length
                continue
            is_single = is_of_one_event(tag)
            count = 1 if is_single else count_of_fused(tag, record[start : start + length], number)
            if number + count > wanted:
                break
            number, position = number + count, start + length
            if not is_single:
                stamp = -1
            if number - places[-1][0] >= _EVENTS_APART:
                places.append((number, position, stamp))
        return number, position, stamp

    def _places_of(self, record: bytes, first_number: int) -> list[tuple[int, int, int]]:
        if len(record) > _KEPT_BYTES:
            return [(first_number, 0, -1)]
        if record != self._record or first_number != self._first:
            self._record, self._first, self._places = record, first_number, [(first_number, 0, -1)]
        return self._places

"""What the first version wrote, which is what the floor writes.

If the floor wrote what the measured version writes, each byte saved would make the floor faster too, and would hardly show as a gain.

The figures were counted at the store, by the questions of this folder, at the commit that the first figures in the README were
recorded with: 8f12090 of 2026-11-24, durability ``os``, ``Size(factor=0.05, largest=10_000)``, for each case
``(sample.written.rows, .key_bytes, .value_bytes) / sample.operations``. A call, for example, wrote a record of 640 bytes, the row of
the invocation (480), and three small rows: the head of the object, the index by time, the date of the purge. Calls of one object
that were committed together shared some of them, so fewer keys wrote fewer rows.
"""

from __future__ import annotations

import attrs

from benchmarks.measure import Tally


@attrs.frozen
class Written:
    """Rows (also removed ones) and the bytes of their keys and values, for one of what a question counts."""

    rows: float
    key_bytes: float
    value_bytes: float

    def tally(self, count: int) -> Tally:
        """Return the same for so many."""
        return Tally(
            rows=round(self.rows * count),
            key_bytes=round(self.key_bytes * count),
            value_bytes=round(self.value_bytes * count),
        )


CALL = Written(5.0, 169.0, 1120.8)
ACTIVATION = Written(5.0, 169.0, 1122.8)
STEP = Written(3.2, 73.8, 569.8)
NESTED_CALL = Written(6.337, 202.7, 1991.3)
CHILD = {1: Written(5.15, 173.9, 1740.2), 8: Written(4.453, 162.9, 1780.5)}
"""By the number of parents in flight."""

SLEEP = Written(16.0, 570.0, 2020.0)
SIGNAL = Written(8.0, 257.5, 1178.5)
EMITTED_CHUNK = Written(0.16, 5.7, 114.1)
FOLLOWED_CHUNK = Written(0.105, 3.6, 111.6)
CANCEL = Written(19.0, 592.0, 2757.2)
BULK_PAUSE = Written(6.008, 166.2, 1184.7)
RESTART = {10: Written(16.0, 520.0, 6_890.0), 1_000: Written(17.0, 539.0, 401_886.5)}
"""By the number of steps of the original."""

SEND = {
    (64, False): Written(5.064, 170.1, 1123.8),
    (64, True): Written(5.384, 180.9, 1190.7),
    (1_000, False): Written(4.016, 154.3, 1111.2),
    (1_000, True): Written(4.312, 161.9, 1149.1),
}
"""By the number in flight, and by whether all were executed."""

_CALLS = {
    (64, 1): Written(3.048, 139.8, 1106.7),
    (64, 64): Written(4.288, 158.3, 1112.0),
    (1_000, 1): Written(3.029, 139.5, 1107.6),
    (1_000, 64): Written(3.868, 152.1, 1109.7),
    (10_000, 1): Written(3.024, 139.4, 1112.1),
    (10_000, 64): Written(3.82, 151.4, 1118.5),
}


def call(in_flight: int, keys: int) -> Written:
    """What a call wrote with so many in flight, of so many keys. Where that was not counted: what a call alone wrote."""
    return _CALLS.get((in_flight, keys), CALL)

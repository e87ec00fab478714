"""Reads bodies, and limits those of JSON: the number of values, and no name twice in an object.

The engine decodes a body on the event loop, and the cost depends on the number of values and not on the bytes: 9 MiB of zeros in
a list took seconds, a text of 9 MiB takes milliseconds. A number at the edge of the float range costs as much as a hundred others
(``1.5e300`` with msgspec 0.22). JSON readers silently keep one value of a repeated name, so the stored value would not be the
sent one.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import trio

from actors.errors import ErrorCode, InvalidArgumentError, LimitExceededError, UnavailableError
from actors.http.problems import SlowBodyError
from actors.values.document import STRING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.http.messages import Carrier, HttpRequest

_LARGE_BYTES = 64 << 10
"""Larger bodies are checked outside the event loop."""

_EXTREME = re.compile(rb"[0-9][eE][+-]?[0-9]{3}")
_EXTREME_VALUES = 100


BODY_SECONDS = 30.0
"""How long the next piece of a body may take."""

WHOLE_BODY_SECONDS = 60.0
"""How long a body may take, and a second more for each :data:`SLOWEST_BYTES` that have arrived."""

SLOWEST_BYTES = 16 << 10

UNVERIFIED_BYTES = 64 << 20
"""The most memory of a server for bodies of strangers that are arriving, in bytes. A webhook of the largest size fits."""


class BodyBudget:
    """The memory for bodies of strangers that are arriving: requests without a token, whose signature is known once they are whole.

    If there is no room for another piece, the longest body is given up. So strangers with long bodies cannot keep out short ones.
    """

    def __init__(self, limit: int = UNVERIFIED_BYTES) -> None:
        self._limit = limit
        self._arriving: dict[BodyShare, int] = {}

    @contextmanager
    def share(self) -> Iterator[BodyShare]:
        """Give room to one body for the block. Raises :class:`actors.UnavailableError` at its end if the body was given up."""
        share = BodyShare(self)
        self._arriving[share] = 0
        try:
            with share.scope:
                yield share
        finally:
            self._arriving.pop(share, None)
        if share.scope.cancelled_caught:
            raise UnavailableError(
                f"more than {self._limit} bytes of bodies without a token are arriving, and this one is the longest; try again later"
            )

    @property
    def taken(self) -> int:
        """The number of bytes that have arrived."""
        return sum(self._arriving.values())

    def take(self, share: BodyShare, count: int) -> None:
        """Count a piece that has arrived, and give up the longest bodies if there is no room for it."""
        self._arriving[share] += count
        while self.taken > self._limit:
            longest = max(self._arriving, key=self._arriving.__getitem__)
            del self._arriving[longest]
            longest.scope.cancel()
            if longest is share:
                return


class BodyShare:
    """The room of one body in a :class:`BodyBudget`."""

    def __init__(self, budget: BodyBudget) -> None:
        self._budget = budget
        self.scope = trio.CancelScope()

    async def take(self, count: int) -> None:
        """Count a piece that has arrived. Raises ``trio.Cancelled`` if the body is given up."""
        if not self.scope.cancel_called:
            self._budget.take(self, count)
        await trio.lowlevel.checkpoint_if_cancelled()


async def read_whole(request: HttpRequest, limit: int, share: BodyShare | None = None) -> bytes:
    """Read the body of a request up to a limit. Raises :class:`actors.LimitExceededError`, :class:`SlowBodyError`, and as a
    :class:`actors.http.messages.Carrier` does. ``share`` is the room for the body of a stranger."""
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > limit:
        raise LimitExceededError(
            f"the body has {declared} bytes, the limit is {limit}",
            limit="payload_bytes",
            maximum=limit,
            found=int(declared),
            code=ErrorCode.TOO_LARGE,
        )
    data = bytearray()
    carrier, began = request.carrier, trio.current_time()
    while (piece := carrier.arrived()) != b"":
        if piece is None:
            await _wait_for_more(carrier, began + WHOLE_BODY_SECONDS + len(data) / SLOWEST_BYTES, len(data))
            continue
        if share is not None:
            await share.take(len(piece))
        data += piece
        if len(data) > limit:
            raise LimitExceededError(
                f"the body is longer than the limit of {limit} bytes",
                limit="payload_bytes",
                maximum=limit,
                code=ErrorCode.TOO_LARGE,
            )
    return bytes(data)


async def _wait_for_more(carrier: Carrier, until: float, arrived: int) -> None:
    with trio.CancelScope(deadline=min(until, trio.current_time() + BODY_SECONDS)) as patience:
        await carrier.wait_for_more()
    if patience.cancelled_caught:
        if trio.current_time() >= until:
            raise SlowBodyError(
                f"only {arrived} bytes of the body have arrived so far; it may take {WHOLE_BODY_SECONDS:g} seconds, and one more for each "
                f"{SLOWEST_BYTES} bytes"
            )
        raise SlowBodyError(f"no part of the body arrived for {BODY_SECONDS:g} seconds")


async def check_json(data: bytes, max_values: int) -> None:
    """Raise :class:`actors.LimitExceededError` or :class:`actors.InvalidArgumentError`. Invalid JSON passes this check, because
    its reader has a better message."""
    if len(data) < _LARGE_BYTES:
        _check(data, max_values)
    else:
        await trio.to_thread.run_sync(_check, data, max_values)


def _check(data: bytes, max_values: int) -> None:
    if (
        len(data) * _EXTREME_VALUES > max_values
        and _weight(data) > max_values
        and _weight(STRING.sub(b"", data)) > max_values
    ):
        raise LimitExceededError(
            f"the body has more than {max_values:,} values (limit payload_values)",
            limit="payload_values",
            maximum=max_values,
            code=ErrorCode.TOO_LARGE,
        )
    if data.count(b":") > 1:
        _refuse_repeated_names(data)


def _weight(data: bytes) -> int:
    """Return how many values a number counts as."""
    return _separators(data) + (_EXTREME_VALUES - 1) * len(_EXTREME.findall(data))


def _separators(data: bytes) -> int:
    """Return an upper bound of the number of values. Separators inside strings count too."""
    return data.count(b",") + data.count(b"[") + data.count(b"{") + 1


class _RepeatedName(Exception):
    pass


def check_names(pairs: list[tuple[str, Any]]) -> None:
    """Refuse an object of JSON with a name twice. Raises :class:`_RepeatedName`."""
    if len(pairs) > 1 and len({name for name, _ in pairs}) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _RepeatedName(name)
            seen.add(name)


def _refuse_repeated_names(data: bytes) -> None:
    try:
        json.loads(data, object_pairs_hook=check_names, parse_int=len, parse_float=len)
    except _RepeatedName as repeated:
        raise InvalidArgumentError(
            f"the body has the name {str(repeated)[:80]!r} twice in one object; send each name once"
        ) from None
    except (ValueError, RecursionError):
        return

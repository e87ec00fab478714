"""The ids of streams and invocations.

An invocation id is ``inv_1``, 11 base62 characters and 22 base62 characters: 38 in all. The eleven are the 64-bit number of its
object (its *stream*), so an id shows where the invocation is without a lookup. The twenty-two are 128 bits: a ULID
(https://github.com/ulid/spec), so that the ids of one object sort by age, or, if the same request must always get the same id,
the head of a SHA-256.

Two objects may have the same 64-bit number by accident (odds of 1 in 37 million among a million objects), or because an attacker
searched for such keys. The first event of a stream names its object, and a second object is refused rather than mixed in.
"""

from __future__ import annotations

import functools
import hashlib
import re
import struct
from typing import TYPE_CHECKING, NewType

from journal.errors import MalformedIdError

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

StreamId = NewType("StreamId", int)
"""The id of an object: the 64-bit number of its stream."""

InvocationId = NewType("InvocationId", str)
"""The id of an invocation, valid until it is purged."""

StepId = NewType("StepId", str)
"""The place in a handler where an operation was started: ``3`` is the third of the body, ``3.1.2`` the second of the first child
of the nursery that was the body's third operation. It never depends on when code ran."""

ROOT_STEP = StepId("")

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_PAIRS = [a + b for a in _ALPHABET for b in _ALPHABET]
_VALUES = {character: value for value, character in enumerate(_ALPHABET)}
_PREFIX = "inv_1"
ID_PATTERN = "^inv_1[0-9A-Za-z]{33}$"
"""The form of an invocation id, as a regular expression."""

_matches = re.compile(ID_PATTERN.rstrip("$")).fullmatch

_STREAM_WIDTH = 11  # 62**11 > 2**64
OBJECT_PREFIX_LENGTH = len(_PREFIX) + _STREAM_WIDTH
"""The length of the prefix that the ids of one object's invocations have."""

_STREAM_BITS = 2**64 - 1
_HALF: int = 62**_STREAM_WIDTH
_FOUR_DIGITS = 62**4
_ULID_RANDOM_BITS = 80
_WORD_BITS = 64
_WORDS = struct.Struct("64Q")
_WORDS_OF_ONE = 3
_REMEMBERED_OBJECTS = 16_384
"""The number of cached names and numbers of objects; each takes about a hundred bytes."""


@functools.lru_cache(maxsize=_REMEMBERED_OBJECTS)
def stream_of(service: str, key: str) -> StreamId:
    """Return the stream of a keyed object: the head of a SHA-256 over its name, which begins with the length of the
    service's name."""
    name = service.encode()
    digest = hashlib.sha256(b"%d:%b%b" % (len(name), name, key.encode())).digest()
    return StreamId(int.from_bytes(digest[:8], "big"))


def life_of(invocation_id: InvocationId, accepted_at: float) -> str:
    """Return the name of an invocation that was accepted at this time. An id that comes from a key comes again if the key is used after
    the purge of the first invocation; its name does not."""
    return f"{invocation_id}-{round(accepted_at * 1e6):x}"


def stream_of_invocation(invocation_id: InvocationId) -> StreamId:
    """Return the stream of an invocation. The id must be parsed (:func:`parse_invocation_id`) or made here."""
    return stream_of_prefix(invocation_id[:OBJECT_PREFIX_LENGTH])


@functools.lru_cache(maxsize=_REMEMBERED_OBJECTS)
def stream_of_prefix(prefix: str) -> StreamId:
    """Return the stream of the invocations whose ids have this prefix (:func:`object_prefix`)."""
    return StreamId(_number(prefix[len(_PREFIX) :]))


def invocation_id(stream: StreamId, unique: int) -> InvocationId:
    """Return the id with these 64 and 128 bits."""
    upper, lower = divmod(unique, _HALF)
    return InvocationId(object_prefix(stream) + _eleven(upper) + _eleven(lower))


@functools.lru_cache(maxsize=_REMEMBERED_OBJECTS)
def object_prefix(stream: StreamId) -> str:
    """Return the prefix of the ids of one object's invocations."""
    return _PREFIX + _eleven(stream)


@functools.lru_cache(maxsize=_REMEMBERED_OBJECTS)
def _prefix_of(service: str, key: str) -> str:
    return object_prefix(stream_of(service, key))


def derived_unique(*parts: str) -> int:
    """Return 128 bits derived from the parts: equal parts give equal bits, so that a repeated request gets the same id."""
    digest = hashlib.sha256()
    for part in parts:
        encoded = part.encode()
        digest.update(b"%d:%b" % (len(encoded), encoded))
    return int.from_bytes(digest.digest()[:16], "big")


def parse_invocation_id(text: str) -> InvocationId:
    """Parse an invocation id. Raises :class:`MalformedIdError`."""
    # Texts of one length compare as their numbers do, as the digits are in the order of their codes.
    if (
        _matches(text) is None
        or text[:OBJECT_PREFIX_LENGTH] > _LAST_PREFIX
        or text[OBJECT_PREFIX_LENGTH:] > _LAST_UNIQUE
    ):
        raise MalformedIdError(text)
    return InvocationId(text)


class Ulids:
    """Makes strictly increasing ULIDs, also within a millisecond and when the wall clock is set back: as numbers of 128 bits, and as
    ids of invocations.

    A number is kept as its two halves of eleven digits. Most ids of one millisecond have the same upper half.
    """

    def __init__(self, now_seconds: Callable[[], float], random: Random) -> None:
        self._now_seconds = now_seconds
        self._random = random
        self._words: list[int] = []
        self._millisecond = -1
        self._upper = self._lower = 0
        self._upper_digits = ""

    def next(self, now: float | None = None) -> int:
        """Return a 128-bit number greater than every one before. ``now`` are the wall seconds, if the caller knows them."""
        lower = self._step(self._now_seconds() if now is None else now)
        return self._upper * _HALF + lower

    def new_id(self, service: str, key: str | None, now: float | None = None) -> InvocationId:
        """Return the id of a new invocation of an object, made of the next number. Every invocation of a service has a stream of its
        own. ``now`` is that of :meth:`next`."""
        if now is None:
            now = self._now_seconds()
        words = self._words
        lower = self._lower + 1 + words.pop() if words else _HALF
        if lower >= _HALF or int(now * 1000) > self._millisecond:
            lower = self._step(now)
        else:
            self._lower = lower
        if key is None:
            prefix = object_prefix(StreamId((self._upper * _HALF + lower) & _STREAM_BITS))
        else:
            prefix = _prefix_of(service, key)
        # Four digits at a time: they fit into one digit of Python's own integers, by which division is fastest.
        first, lower = divmod(lower, _FOUR_DIGITS)
        first, middle = divmod(first, _FOUR_DIGITS)
        return InvocationId(
            f"{prefix}{self._upper_digits}{_ALPHABET[first // 3844]}{_PAIRS[first % 3844]}"
            f"{_PAIRS[middle // 3844]}{_PAIRS[middle % 3844]}{_PAIRS[lower // 3844]}{_PAIRS[lower % 3844]}"
        )

    def _step(self, now: float) -> int:
        """Advance to the next number. Returns its lower half."""
        words = self._words
        if len(words) < _WORDS_OF_ONE:
            # Random bytes are fetched for many ids at once, because each call to the system takes up to 20 microseconds.
            words += _WORDS.unpack(self._random.randbytes(_WORDS.size))
        millisecond = int(now * 1000)
        upper, lower = self._upper, self._lower
        if millisecond > self._millisecond:
            self._millisecond = millisecond
            random = (words.pop() << _WORD_BITS | words.pop()) >> 2 * _WORD_BITS - _ULID_RANDOM_BITS
            upper, lower = divmod(millisecond << _ULID_RANDOM_BITS | random, _HALF)
        if (upper, lower) <= (self._upper, self._lower):
            upper, lower = self._upper, self._lower + 1 + words.pop()
            if lower >= _HALF:
                upper, lower = upper + 1, lower - _HALF
        if upper != self._upper:
            self._upper, self._upper_digits = upper, _eleven(upper)
        self._lower = lower
        return lower


def _eleven(number: int) -> str:
    high, low = divmod(number, _FOUR_DIGITS)
    high, middle = divmod(high, _FOUR_DIGITS)
    return (
        f"{_ALPHABET[high // 3844]}{_PAIRS[high % 3844]}"
        f"{_PAIRS[middle // 3844]}{_PAIRS[middle % 3844]}{_PAIRS[low // 3844]}{_PAIRS[low % 3844]}"
    )


def _number(text: str) -> int:
    number = 0
    for character in text:
        number = number * 62 + _VALUES[character]
    return number


_LAST_PREFIX = _PREFIX + _eleven(_STREAM_BITS)
_LAST_UNIQUE = "".join(map(_eleven, divmod(2**128 - 1, _HALF)))

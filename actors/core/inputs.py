"""The two forms of an argument: the value of the only parameter, or an object that names parameters.

The form depends on the number of parameters that the handler had when the call was made. Code with one parameter more or less makes
the same call in the other form, which a replay and an idempotency key must still recognise.

Two single values are compared without the names of their parameters, because a parameter may be renamed.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from actors.values.digests import digest

_NAMED = b"named:"


class Input(Protocol):
    """A command or an event with an argument. ``parameter`` is as in :class:`journal.events.InvocationAccepted`."""

    @property
    def argument(self) -> bytes: ...
    @property
    def parameter(self) -> str | None: ...


def is_same_input(one: Input, other: Input) -> bool:
    """Report whether both have the same argument, byte for byte, in either form."""
    if one.parameter is None or other.parameter is None or (one.parameter and other.parameter):
        return one.argument == other.argument
    return _named(one) == _named(other)


def digest_of(given: Input) -> bytes:
    """Return the digest of the argument. An object of parameters and a single value with the same JSON have different
    digests."""
    if given.parameter is None or (given.parameter and given.argument):
        return digest(given.argument)
    return digest(_named(given), _NAMED)


def has_digest(given: Input, wanted: bytes) -> bool:
    """Report whether the digest belongs to this argument, in either form."""
    return wanted == digest_of(given) or wanted == _digest_of_other_form(given)


def _digest_of_other_form(given: Input) -> bytes | None:
    if given.parameter is None or not given.argument:
        return None
    if given.parameter:
        return digest(_named(given), _NAMED)
    values = list(msgspec.json.decode(given.argument, type=dict[str, msgspec.Raw]).values())
    return digest(bytes(values[0])) if len(values) == 1 else None


def _named(given: Input) -> bytes:
    if not given.argument:
        return b"{}"
    return b"{%b:%b}" % (msgspec.json.encode(given.parameter), given.argument) if given.parameter else given.argument

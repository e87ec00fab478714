"""An argument in its two forms: the value of one parameter, or an object that names parameters.

Which form it has depends on how many parameters the handler had when the call was made, so the same call has another form once the
code has one parameter more or less. It is still the same call, and a replay and an idempotency key must find it.

A value is compared with a value whatever their parameters are called: a parameter may be renamed.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from actors.core.state import digest

_NAMED = b"named:"


class Input(Protocol):
    """A command or an event with an argument. ``parameter`` is as in :class:`journal.events.InvocationAccepted`."""

    @property
    def argument(self) -> bytes: ...
    @property
    def parameter(self) -> str | None: ...


def is_same_input(one: Input, other: Input) -> bool:
    """Whether they are one argument, byte for byte, in whatever form."""
    if one.parameter is None or other.parameter is None or (one.parameter and other.parameter):
        return one.argument == other.argument
    return _named(one) == _named(other)


def digest_of(given: Input) -> bytes:
    """What tells the argument from that of another request. An object that names parameters differs from the same value."""
    if given.parameter is None or (given.parameter and given.argument):
        return digest(given.argument)
    return digest(_named(given), _NAMED)


def has_digest(given: Input, wanted: bytes) -> bool:
    """Whether the digest is the argument's, in whatever form that was."""
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

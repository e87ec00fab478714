"""Checks the keys of objects, and idempotency and debounce keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.errors import ErrorCode, InvalidArgumentError, LimitExceededError
from actors.values.arguments import PATH_STEPS, is_a
from actors.values.texts import is_utf8, shown
from journal.errors import BrokenInvariant
from journal.events import Kind

if TYPE_CHECKING:
    from actors.model.definitions import Definition

MAX_REQUEST_KEY = 256
"""The longest idempotency key or debounce key, in characters."""

_OWN = "own:"
_NAMESPACES = ("token:", "webhook:")
"""How the keys of requesters outside the program begin. No token's name has a colon."""


def checked_key(definition: Definition, key: object, limit_bytes: int) -> str | None:
    """Return the key of an object as text, or None for a service. Raises :class:`InvalidArgumentError` or
    :class:`LimitExceededError`.
    """
    if definition.kind is Kind.SERVICE:
        if key is not None:
            raise InvalidArgumentError(f"{definition.name} is a service and has no key, found {key!r}", path="key")
        return None
    text = key_text(key, definition.name)
    if text in PATH_STEPS:
        raise InvalidArgumentError(
            f"{definition.name}: the key {text!r} cannot be used: HTTP clients treat it as a relative path; use another",
            path="key",
        )
    length = len(text) if text.isascii() else len(text.encode())
    if length > limit_bytes:
        raise LimitExceededError(
            f"{definition.name}: the key has {length} bytes, the limit is {limit_bytes} (key_bytes)",
            limit="key_bytes",
            maximum=limit_bytes,
            found=length,
            code=ErrorCode.TOO_LARGE,
        )
    return text


def key_text(key: object, service: str) -> str:
    """Return the key as a plain ``str``. Raises :class:`InvalidArgumentError` if it is not a text, empty, or not UTF-8."""
    if type(key) is str and key and key.isascii():
        return key
    if not is_a(key, str):
        raise InvalidArgumentError(f"{service} needs a key that is a str; found {shown(key)}", path="key")
    text = str.__str__(key)
    if not text:
        raise InvalidArgumentError(f"{service} needs a key of at least one character; found {text!r}", path="key")
    if not is_utf8(text):
        raise InvalidArgumentError(f"{service}: the key {shown(text)} cannot be written as UTF-8", path="key")
    return text


def key_in_namespace(namespace: str, key: str) -> str:
    """Return the idempotency or debounce key of a requester as it is stored: requesters with different namespaces share none.

    With the namespace ``token:ci`` it is ``token:ci:KEY``. The program itself has the empty namespace: its keys are stored as they are, and as
    ``own:KEY`` if they look like those of another.
    """
    if not namespace:
        return f"{_OWN}{key}" if key.startswith((_OWN, *_NAMESPACES)) else key
    if not f"{namespace}:".startswith(_NAMESPACES):
        raise BrokenInvariant(f"the namespace {namespace!r} is of no known kind")
    return f"{namespace}:{key}"


def own_key(key: str) -> str:
    """Return the idempotency or debounce key of the program itself as it is stored."""
    return key_in_namespace("", key)


def checked_request_key(key: str | None, name: str = "idempotency_key") -> str | None:
    """Return the key of a request as text, or None if there is none; ``name`` is its parameter. Raises :class:`InvalidArgumentError`."""
    if key is None:
        return None
    if not is_a(key, str):
        raise InvalidArgumentError(f"{name} is {shown(key)}, expected text", path=name)
    text = str.__str__(key)
    if not 0 < len(text) <= MAX_REQUEST_KEY:
        raise InvalidArgumentError(f"{name} has {len(text)} characters, expected 1 to {MAX_REQUEST_KEY}", path=name)
    if not is_utf8(text):
        raise InvalidArgumentError(f"{name} is {shown(text)}, which cannot be written as UTF-8", path=name)
    return text

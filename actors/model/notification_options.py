"""The options of a notification, defined once: for the client's method, the body over HTTP and its schema, and the command line."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

import attrs
import msgspec

from actors.core.notifications import ENDED, ENDS, NoticeKind
from actors.errors import InvalidArgumentError
from actors.model.tags import checked_tags
from actors.model.verb_options import ReasonText, checked_reason
from actors.values.arguments import MAX_NAME, MAX_WORDS, checked_name, checked_text, checked_title
from actors.values.texts import shown

MAX_URL = 2_048
"""The greatest length of an address, in characters."""

_CONTROLS = re.compile(r"[\x00-\x20\x7f]")


def checked_notification_name(name: str) -> str:
    """Return the name of a notification. Raises :class:`InvalidArgumentError`."""
    return checked_title(name, "name")


def _url(value: str) -> str:
    url = checked_name(value, "url", MAX_URL)
    parts = _address_in(url)
    if parts is None or _CONTROLS.search(url):
        raise InvalidArgumentError(
            f"url is {shown(url)}, expected an address such as https://example.org/hooks", path="url"
        )
    if parts.username is not None or parts.password is not None:
        raise InvalidArgumentError(
            "url has a user name or a password, which everyone who lists notifications would read; the signature says who "
            "sends",
            path="url",
        )
    return url


def _address_in(url: str) -> SplitResult | None:
    """Return the parts of an HTTP URL, or None if the text is not one."""
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return parts if is_address else None


def kinds_of(on: str | NoticeKind | Iterable[str | NoticeKind]) -> tuple[NoticeKind, ...]:
    """Return the kinds without duplicates; ``ended`` stands for each end. Raises :class:`InvalidArgumentError`."""
    if isinstance(on, (str, NoticeKind)):
        given: tuple[str | NoticeKind, ...] = (on,)
    elif isinstance(on, (list, tuple, set, frozenset)):
        given = tuple(on)
    else:
        raise InvalidArgumentError(f"on is {shown(on)}, expected kinds such as ['paused', 'failed']", path="on")
    found: dict[NoticeKind, None] = {}
    for each in given:
        found.update(dict.fromkeys(ENDS.values()) if each == ENDED else {_kind(each): None})
    if not found:
        raise InvalidArgumentError("on is empty, expected at least one kind, such as 'failed'", path="on")
    return tuple(found)


def _kind(value: str | NoticeKind) -> NoticeKind:
    try:
        return NoticeKind(value)
    except ValueError:
        known = ", ".join(repr(kind.value) for kind in NoticeKind)
        raise InvalidArgumentError(f"on has {shown(value)}, expected {known} or {ENDED!r}", path="on") from None


def _on(value: str | NoticeKind | Iterable[str | NoticeKind]) -> list[str]:
    return [kind.value for kind in kinds_of(value)]


def _tags(value: Mapping[str, str] | None) -> dict[str, str]:
    return checked_tags(value) or {}


def _service(value: str) -> str:
    return checked_text(value, "service", MAX_NAME)


def _key(value: str | None) -> str | None:
    return None if value is None else checked_text(value, "key", MAX_WORDS)


def _handler(value: str) -> str:
    return checked_text(value, "handler", MAX_NAME)


def _note(value: str) -> str:
    return checked_text(value, "note", MAX_WORDS)


_Kind = Annotated[str, msgspec.Meta(pattern=f"^({'|'.join(kind.value for kind in NoticeKind)}|{ENDED})$")]


@attrs.frozen(kw_only=True)
class NotificationOptions:
    """The changes of invocations that are reported, and the URL that receives the notices."""

    url: Annotated[
        str, msgspec.Meta(min_length=1, max_length=MAX_URL, description="The URL that receives a POST for each change.")
    ] = attrs.field(converter=_url)
    on: Annotated[
        list[_Kind],
        msgspec.Meta(
            min_length=1,
            max_length=16,
            description="The changes: paused, waiting (for a signal), succeeded, failed, cancelled, killed, or ended.",
        ),
    ] = attrs.field(converter=_on)
    service: Annotated[str, msgspec.Meta(max_length=MAX_NAME, description="Only invocations of this class.")] = (
        attrs.field(default="", converter=_service)
    )
    key: Annotated[str, msgspec.Meta(max_length=MAX_WORDS, description="Only invocations of this key.")] | None = (
        attrs.field(default=None, converter=_key)
    )
    handler: Annotated[str, msgspec.Meta(max_length=MAX_NAME, description="Only invocations of this handler.")] = (
        attrs.field(default="", converter=_handler)
    )
    tags: Annotated[
        dict[str, str] | None, msgspec.Meta(description="Only invocations that have all of these tags.")
    ] = attrs.field(default=None, converter=_tags)
    note: Annotated[str, msgspec.Meta(max_length=MAX_WORDS, description="A comment for people.")] = attrs.field(
        default="", converter=_note
    )
    reason: ReasonText = attrs.field(default="", converter=checked_reason)

    @property
    def kinds(self) -> tuple[NoticeKind, ...]:
        """The changes, as an enum."""
        return kinds_of(self.on)

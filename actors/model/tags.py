"""Tags: short names with short texts, such as ``user=ada``, by which invocations are found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from actors.errors import ErrorCode, InvalidArgumentError, LimitExceededError
from actors.values.arguments import is_a
from actors.values.priorities import check_priority
from actors.values.texts import is_utf8, shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

MAX_TAGS = 16
"""The largest number of tags of an invocation, inherited ones included."""

MAX_TAG_NAME = 64
"""The longest name of a tag, in characters."""

MAX_TAG_VALUE = 256
"""The longest value of a tag, in characters."""

TAG_NAME = rf"[A-Za-z_][A-Za-z0-9_.\-]{{0,{MAX_TAG_NAME - 1}}}"
"""The names of tags, as a regular expression."""

TAG_PAIR = rf"^{TAG_NAME}=[^\x00-\x1f\x7f-\x9f]{{1,{MAX_TAG_VALUE}}}$"
"""The texts ``name=value`` of tags, as a regular expression for JSON schemas. It matches every valid tag. Such an expression cannot name
all characters that are not printable, so the value is checked as well."""

_NAME = re.compile(TAG_NAME)


def checked_tags(tags: Mapping[str, str] | None) -> dict[str, str] | None:
    """Return the tags as a plain dictionary, sorted by name; None if there are none.

    A name has letters, digits, ``_``, ``-`` and ``.``, and begins with a letter or ``_``. A value is a printable text that is
    not empty, that of ``priority`` a whole number from -10 to 10. Raises :class:`InvalidArgumentError` or :class:`LimitExceededError`.
    """
    if tags is None:
        return None
    if not is_a(tags, dict):
        raise InvalidArgumentError(
            f"tags is {shown(tags)}, expected a dictionary such as {{'user': 'ada'}}", path="tags"
        )
    _check_count(len(tags))
    checked = dict(_checked(name, value) for name, value in dict.items(tags))
    return {name: checked[name] for name in sorted(checked)} or None


def tags_of_pairs(pairs: Iterable[str], path: str) -> dict[str, str] | None:
    """Return the tags of texts such as ``user=ada``, as HTTP and the command line write them; None if there are none.
    ``path`` is the name of the parameter. Of two with the same name, the later one counts. Raises as :func:`checked_tags` does."""
    tags: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidArgumentError(f"{path} is {shown(pair)}, expected NAME=VALUE, such as user=ada", path=path)
        tags[name] = value
    return checked_tags(tags)


def pairs_of_tags(tags: Mapping[str, str] | None) -> list[str]:
    """Return the tags as :func:`tags_of_pairs` reads them."""
    return [f"{name}={value}" for name, value in (tags or {}).items()]


def joined_tags(inherited: Mapping[str, str] | None, given: dict[str, str] | None) -> dict[str, str] | None:
    """Return the inherited tags with the given ones, which win. Raises :class:`LimitExceededError`."""
    if not inherited:
        return given
    if not given:
        return {**inherited}
    joined = {**inherited, **given}
    _check_count(len(joined))
    return {name: joined[name] for name in sorted(joined)}


def _check_count(found: int) -> None:
    if found > MAX_TAGS:
        raise LimitExceededError(
            f"an invocation has {found} tags, inherited ones included; the limit is {MAX_TAGS}",
            limit="tags",
            maximum=MAX_TAGS,
            found=found,
            code=ErrorCode.TOO_LARGE,
        )


def checked_tag_name(name: object) -> str:
    """Return the name of a tag as a plain text. Raises :class:`InvalidArgumentError`."""
    text = str.__str__(name) if is_a(name, str) else ""
    if _NAME.fullmatch(text) is None:
        raise InvalidArgumentError(
            f"a tag is named {shown(name)}; expected 1 to {MAX_TAG_NAME} characters of a-z, A-Z, 0-9, '_', '-' and '.', the first "
            "of them a-z, A-Z or '_'",
            path="tags",
        )
    return text


def _checked(name: object, value: object) -> tuple[str, str]:
    text = checked_tag_name(name)
    if not is_a(value, str):
        raise InvalidArgumentError(f"the tag {text} is {shown(value)}, expected text", path=f"tags.{text}")
    found = str.__str__(value)
    if len(found) > MAX_TAG_VALUE:
        raise LimitExceededError(
            f"the tag {text} has {len(found)} characters, the limit is {MAX_TAG_VALUE}",
            limit="tag_value",
            maximum=MAX_TAG_VALUE,
            found=len(found),
            code=ErrorCode.TOO_LARGE,
        )
    if not found or not found.isprintable() or not is_utf8(found):
        raise InvalidArgumentError(
            f"the tag {text} is {shown(found)}; expected a printable text that is not empty", path=f"tags.{text}"
        )
    check_priority(text, found)
    return text, found

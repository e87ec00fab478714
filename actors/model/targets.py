"""Names of handlers and objects as texts, and as paths of URLs: ``Counter/bob/add``.

The parts are separated by slashes; in a part, a slash is written ``%2F`` and a percent sign ``%25``. Python, the command line and the
server all use this module, so a name that one of them prints is accepted by the others.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote_to_bytes

from actors.errors import InvalidArgumentError
from actors.values.arguments import MAX_COUNT, checked_text
from actors.values.texts import shown
from journal.events import Target

if TYPE_CHECKING:
    from collections.abc import Sequence

_BROKEN_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


def path_parts(path: bytes) -> list[str]:
    """Split a path into its decoded parts. Raises :class:`InvalidArgumentError` for a broken escape and for bytes that
    are not UTF-8.
    """
    if _BROKEN_ESCAPE.search(path):
        raise InvalidArgumentError(
            f"the path {path[:200]!r} has a '%' that two hexadecimal digits do not follow: write %25", path="path"
        )
    try:
        if b"%" not in path:
            return path.decode().split("/")
        return [unquote_to_bytes(part).decode() for part in path.split(b"/")]
    except UnicodeDecodeError:
        raise InvalidArgumentError(f"the path {path[:200]!r} is not UTF-8", path="path") from None


def parse_target(target: str | Target, name: str = "target") -> Target:
    """Parse ``Service/key/handler``, or ``Service/handler`` of a service. Raises :class:`InvalidArgumentError`."""
    if isinstance(target, Target):
        return target
    parts = parse_parts(target, name)
    if len(parts) == 2:
        return Target(parts[0], None, parts[1])
    if len(parts) == 3:
        return Target(parts[0], parts[1], parts[2])
    raise InvalidArgumentError(
        f"{name} is {shown(target)}, expected 'Service/key/handler', or 'Service/handler' of a service (a slash in a key is %2F)",
        path=name,
    )


def parse_parts(text: str, name: str) -> Sequence[str]:
    """Split a text into its decoded parts, or none if one of them is empty. Raises :class:`InvalidArgumentError`."""
    parts = path_parts(checked_text(text, name, MAX_COUNT).encode())
    return parts if all(parts) else ()

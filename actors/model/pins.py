"""The facts in a history about the object of an invocation at an earlier time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping


class Pins(msgspec.Struct):
    """An object as it was, from a journal. If ``lengths`` is None, its logs are as long as now."""

    fields: Mapping[str, bytes]
    lengths: Mapping[str, int] | None
    items: dict[str, dict[str, bytes | None]]

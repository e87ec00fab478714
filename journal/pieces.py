"""The pieces of an output, as a handler or a step emits them. They are apart from ``journal.output``, because every handler imports them."""

from __future__ import annotations

from typing import NamedTuple


class Piece(NamedTuple):
    """A piece that a handler emits: its JSON, and the name of its stream, or an empty text."""

    value: bytes
    stream: str

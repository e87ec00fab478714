"""Keeps the answers to an assistant short: long texts and lists are cut and marked as cut.

An assistant reads every byte of an answer, so one history with large values would fill its memory. An answer that is too large is cut more
and more until it fits: first its long texts, then its long lists. Nothing is left out silently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

ANSWER_BYTES = 48 << 10
"""The largest answer, in bytes of JSON."""

_CUTS = ((4_096, 500), (1_024, 200), (256, 100), (128, 30), (64, 10), (32, 3), (16, 1))
"""The longest texts, in characters, and the longest lists of each attempt to make an answer fit."""

_DEEPEST = 16
_AROUND = 256
"""The size of an answer without its rows, in bytes."""


def bounded(answer: dict[str, Any], limit: int = ANSWER_BYTES) -> dict[str, Any]:
    """Return the answer if it has at most this many bytes as JSON, and otherwise a shorter one with ``is_cut``."""
    if len(msgspec.json.encode(answer)) <= limit:
        return answer
    for longest_text, longest_list in _CUTS:
        shorter = {**_cut(answer, longest_text, longest_list, 0), "is_cut": True}
        if len(msgspec.json.encode(shorter)) <= limit:
            return shorter
    return {"is_cut": True, "note": f"the answer has over {limit} bytes even when it is cut; ask for less"}


def first_of(rows: Iterable[dict[str, Any]], limit: int = ANSWER_BYTES) -> list[dict[str, Any]]:
    """Return as many of the first rows as fit into an answer together, at least one; each has at most a quarter of it."""
    found: list[dict[str, Any]] = []
    left = limit - _AROUND
    for row in rows:
        shown = bounded(row, (limit - _AROUND) // 4)
        left -= len(msgspec.json.encode(shown)) + 1
        if left < 0:
            break
        found.append(shown)
    return found


def _cut(value: Any, longest_text: int, longest_list: int, depth: int) -> Any:
    match value:
        case str() if len(value) > longest_text:
            return f"{value[:longest_text]}… ({len(value) - longest_text} more characters are cut)"
        case dict() | list() if depth >= _DEEPEST:
            return "… (deeper levels are cut)"
        case dict():
            kept = {
                _cut(name, longest_text, longest_list, depth): _cut(item, longest_text, longest_list, depth + 1)
                for name, item in [*value.items()][:longest_list]
            }
            return kept if len(value) <= longest_list else {**kept, "…": f"{len(value) - longest_list} more are cut"}
        case list():
            items = [_cut(item, longest_text, longest_list, depth + 1) for item in value[:longest_list]]
            return items if len(value) <= longest_list else [*items, f"… ({len(value) - longest_list} more are cut)"]
        case _:
            return value

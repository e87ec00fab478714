"""Why an invocation does not go on, as it is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.model.explain import reasons
from cli.output import emit, emit_json, safe, until_in_words, when
from cli.source import seen
from journal.ids import parse_invocation_id

if TYPE_CHECKING:
    from actors.model.explain import Reason
    from cli.source import Where


def show(invocation_id: str, where: Where, output: str) -> None:
    """Say why it does not go on, a line a reason."""
    of = parse_invocation_id(invocation_id)

    found = reasons(seen(where, lambda source: source.info(of)))
    if output == "json":
        emit_json(found)
        return
    for reason in found:
        emit(safe(line_of(reason)))


def line_of(reason: Reason) -> str:
    """A reason for people."""
    since = f", since {when(reason.since)}" if reason.since is not None else ""
    until = "" if reason.until is None else f", {until_in_words(reason.until)}"
    by = f", by {reason.by}" if reason.by else ""
    because = f": {reason.because}" if reason.because else ""
    return f"{reason.text}{since}{until}{by}{because}"

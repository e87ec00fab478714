"""The reasons why an invocation waits, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.render.output import until_in_words, when

if TYPE_CHECKING:
    from actors.model.explain import WaitReason


def line_of(reason: WaitReason) -> str:
    """Format a reason as a line."""
    since = f", since {when(reason.since)}" if reason.since is not None else ""
    until = "" if reason.until is None else f", {until_in_words(reason.until)}"
    by = f", by {reason.by}" if reason.by else ""
    because = f": {reason.because}" if reason.because else ""
    return f"{reason.text}{since}{until}{by}{because}"

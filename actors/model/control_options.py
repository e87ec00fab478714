"""The options of a gate and of an edit, defined once: for the client's method, the body over HTTP and its schema, and
the backends.

A field has its type, its limits and its description in its annotation; its converter checks the value that a Python caller
passes. The options of verbs on invocations are in :mod:`actors.model.verb_options`.
"""

from __future__ import annotations

from typing import Annotated

import attrs
import msgspec

from actors.model.edit import Edit
from actors.model.verb_options import ReasonText, checked_mode, checked_reason
from actors.values.arguments import MAX_COUNT, checked_truth, count_or_none
from journal.events import PauseMode

Position = Annotated[int, msgspec.Meta(ge=0, le=MAX_COUNT, description="A position in the journal.")]


def _version(value: int | None) -> int | None:
    return count_or_none(value, "if_version", at_least=0)


def _queue(value: bool) -> bool:
    return checked_truth(value, "queue")


@attrs.frozen(kw_only=True)
class GateOptions:
    """How to close a gate, and whether running steps end or are aborted."""

    reason: ReasonText = attrs.field(default="", converter=checked_reason)
    mode: PauseMode = attrs.field(default=PauseMode.DRAIN, converter=checked_mode)


@attrs.frozen(kw_only=True)
class EditOptions(Edit):
    """A change of fields: all of them or none. Items of maps are named by their keys as JSON.

    With ``if_version``, only if that event was the last to change the fields; with ``queue``, the edit waits while the key is
    held. Python clients set ``json_loses``, the types in their values that JSON does not preserve, by field.
    """

    if_version: Position | None = attrs.field(default=None, converter=_version)
    queue: bool = attrs.field(default=False, converter=_queue)
    reason: ReasonText = attrs.field(default="", converter=checked_reason)

    def edit(self) -> Edit:
        """Return the change alone, as the object records it."""
        return Edit(**{field.name: getattr(self, field.name) for field in attrs.fields(Edit)})

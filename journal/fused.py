"""Records in which one frame stands for several events.

A call that ends in its first turn is the most frequent history by far: accepted, started, fields changed, completed. Written as
one frame it takes a fraction of the bytes and of the time. The frame is only another spelling of these events: a reader gets the
events, with the numbers and stamps that they would have had one by one, and an event of a frame that is erased turns the frame
into single events.
"""

from __future__ import annotations

from typing import Any

import msgspec

from journal import events as e
from journal.events import (
    Caller,
    Date,
    FieldsChanged,
    InvocationAccepted,
    InvocationCompleted,
    InvocationStarted,
    Kind,
    Mode,
    Stamp,
)
from journal.ids import InvocationId, StepId


class WholeInvocation(msgspec.Struct, array_like=True, gc=False):
    """An invocation that was accepted, started and completed with a result without a wait in between.

    It was asked for at ``asked_at`` by ``by`` because of ``cause``, and ran at ``ran_at`` (both in wall seconds). ``created`` is
    the service, the key and the kind of the object if this invocation is the first of it. ``fields`` are the fields that the
    handler changed, or None. Of a caller, the invocation and the step are kept; of its chain, the fields of each link.
    """

    invocation_id: InvocationId
    handler: str
    mode: Mode
    asked_at: Date
    cause: str
    by: str
    ran_at: Date
    argument: bytes
    parameter: str | None
    deployment: str
    result: bytes
    fields: dict[str, bytes] | None = None
    created: tuple[str, str | None, Kind] | None = None
    caller: tuple[InvocationId, StepId] | None = None
    chain: list[tuple[InvocationId, str, bool]] | None = None
    atomic: bool = False
    tags: dict[str, str] | None = None

    @property
    def count(self) -> int:
        """The number of events that it stands for."""
        return 3 + (self.created is not None) + (self.fields is not None)

    def expand(self, first: int) -> list[tuple[Stamp, Any]]:
        """Return the events with their stamps; the first has the number ``first``."""
        of = self.invocation_id
        asked = Stamp(self.asked_at, self.cause, self.by)
        entries: list[tuple[Stamp, Any]] = []
        if self.created is not None:
            service, key, kind = self.created
            entries.append((asked, e.ObjectCreated(service=service, key=key, kind=kind)))
        accepted = InvocationAccepted(
            invocation_id=of,
            handler=self.handler,
            mode=self.mode,
            argument=self.argument,
            caller=None if self.caller is None else Caller(*self.caller),
            chain=[e.Link(*link) for link in self.chain or ()],
            atomic=self.atomic,
            deployment=self.deployment,
            parameter=self.parameter,
            tags=self.tags,
        )
        entries += ((asked, accepted), (asked, InvocationStarted(invocation_id=of)))
        ran = Stamp(self.ran_at, f"#{first + len(entries) - 1}", of)
        if self.fields is not None:
            entries.append((ran, FieldsChanged(invocation_id=of, fields=self.fields)))
        outcome = e.Outcome(e.OutcomeKind.SUCCEEDED, self.result)
        entries.append((ran, InvocationCompleted(invocation_id=of, outcome=outcome)))
        return entries


Fused = WholeInvocation
"""Every frame that stands for several events."""

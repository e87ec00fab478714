"""Carries out the effects of the requests that are recorded as parts of frames (``journal.fused``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.core.react import react
from journal.events import Recorded, Stamp
from journal.waits import RequestedStep

if TYPE_CHECKING:
    from actors.engine.loaded_object import LoadedObject
    from actors.engine.machine import Machine
    from actors.engine.step_runner import StepRunner
    from journal.ids import InvocationId
    from journal.waits import Requested

_OF_A_FRAME = Stamp(0.0, "", "")
"""In place of the stamp of an event whose effects do not depend on it."""


def follow(
    machine: Machine, steps: StepRunner, loaded: LoadedObject, of: InvocationId, request: Requested, number: int
) -> None:
    """Carry out the effects of a request of the invocation in a frame, which is the event with this number."""
    if isinstance(request, RequestedStep):
        steps.run_when_durable(loaded, of, request.step)
        return
    event = request.event(of)
    effects = react(loaded.state, event)
    if effects:
        machine.do(loaded, ((Recorded(number, _OF_A_FRAME, event), effects),))

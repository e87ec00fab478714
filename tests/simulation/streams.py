"""Clients that read outputs, and the laws of these: what counts of a step's output is that of the run that counts, in each stream, and
what was once read as final stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import trio

from journal import events as e
from journal.events import OutcomeKind
from journal.ids import ROOT_STEP
from journal.output import RunKind
from tests.simulation.cast import SPOKEN

if TYPE_CHECKING:
    from journal.ids import InvocationId
    from journal.output import OutputRun
    from tests.simulation.lives import Life
    from tests.simulation.storm import Storm

READING_SECONDS = 3.0
"""How long a client reads an output."""


@attrs.frozen
class Heard:
    """What a client read of a stream, as final."""

    of: InvocationId
    stream: str
    values: list[Any]


class StreamClients:
    """What clients read."""

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.heard: list[Heard] = []

    # Deeds.

    async def listen(self, at: int, stream: str) -> None:
        """Read an output of those that were told of last, while it grows."""
        told = self.storm.told[-8:]
        if told:
            heard = Heard(told[at % len(told)].id, stream, [])
            self.heard.append(heard)
            with trio.move_on_after(READING_SECONDS):
                async for value in self.storm.client.invocation(heard.of).output(stream=stream):
                    heard.values.append(value)

    # Laws.

    def judge_streams(self, lives: dict[InvocationId, Life]) -> None:
        """Hold what is kept of outputs, and what was read of them, against the laws."""
        for heard in self.heard:
            life = lives.get(heard.of)
            if life is not None:
                final = [value for stream, value in _final(life.output) if stream == heard.stream]
                is_so = heard.values == final[: len(heard.values)]
                self.storm.law("what was read of an output stays", is_so, f"{heard}: it is {final}")
        for life in lives.values():
            if life.output and life.service == "Account":
                self._check_steps(life)

    def _check_steps(self, life: Life) -> None:
        names = {event.step: event.name for event in life.of(e.StepScheduled)}
        for event in life.of(e.StepCompleted):
            if names.get(event.step) == "talk" and event.outcome.kind is OutcomeKind.SUCCEEDED:
                number, times = msgspec.json.decode(event.outcome.value)
                expected = [(stream, [number, times, at]) for at, stream in enumerate(SPOKEN)]
                runs = [run for run in life.output if run.step == event.step]
                is_over = bool(runs) and runs[-1].kind is RunKind.FINAL
                is_so = is_over and _final(runs) == expected
                self.storm.law("an output is that of the run that counts", is_so, f"{life.id} {event.step}: {runs}")


def _final(runs: list[OutputRun]) -> list[tuple[str, Any]]:
    """The pieces that are not void, in order, each with its stream."""
    found: list[tuple[str, str, Any]] = []
    for run in runs:
        if run.kind is RunKind.PIECES:
            found += [(run.step, run.stream, msgspec.json.decode(value)) for value in run.values]
        elif run.kind is RunKind.VOID and run.step != ROOT_STEP:
            found = [piece for piece in found if piece[0] != run.step]
    return [(stream, value) for _, stream, value in found]

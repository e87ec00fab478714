"""The requests of one attempt: repeated as long as the journal has more, and new after that."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Protocol

from actors.core.requests import REQUESTS, is_same_request
from actors.errors import AttemptEnded
from actors.replay import mismatches
from journal import events as e
from journal.errors import BrokenInvariant
from journal.waits import event_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from actors.errors import NonDeterminismError
    from actors.replay.plan import CopiedPart, ReplayPlan
    from journal.events import Event
    from journal.ids import InvocationId
    from journal.pieces import Piece
    from journal.waits import TurnPart


class StateView(Protocol):
    """The parts of the handler's object that a replay needs."""

    @property
    def may_have_changes(self) -> bool:
        """Whether ``take_changes`` may return any: whether the handler has used a value that it can change, or reads
        that a replay must see again."""
        ...

    def take_changes(self, *, ended: bool) -> Sequence[Event]:
        """Return the changes since the last call. Unless the handler has ended (``ended``), these include the fields
        that it has read and a replay must see again."""
        ...

    def take_back(self, *, ended: bool) -> BaseException | None:
        """Undo the changes since the last ``take_changes`` that cannot be recorded. Returns the error of the first; None if all can be.
        ``ended`` says that the code that made them has ended."""
        ...

    def go_on_from(self, changes: Sequence[Event]) -> None:
        """Leave the part of the history that a restart copied: from here on the handler sees its object as it is now.
        Of the changes so far, only ``changes`` are the handler's own."""
        ...


class Requests:
    """The base of ``Execution`` that has the requests that the handler has made and must make.

    ``progress`` collects the parts of the turns that are kept, and ``output`` the new pieces that they emitted. A replay emits
    the same pieces in the same order, so those that are recorded are its first ones, and it skips as many; likewise what it spends. ``mismatch`` says how the
    handler differs from the journal, ``error`` is the error that it raised.
    """

    closed = False
    error: BaseException | None = None
    mismatch: NonDeterminismError | None = None
    _made = 0
    _own_changes: Sequence[Event] = ()
    _cannot_be_recorded = False

    def __init__(self, invocation_id: InvocationId, plan: ReplayPlan, *, state: StateView, name: str) -> None:
        self.invocation_id = invocation_id
        self.name = name
        self.state = state
        self.progress: list[TurnPart] = []
        self.output: list[Piece] = []
        self._turn: list[TurnPart] = []
        self._turn_output: list[Piece] = []
        self._emitted = plan.emitted
        self._spends = plan.spends
        self._recorded = plan.requests
        self._kept_parts: Sequence[CopiedPart] = plan.kept_parts

    @cached_property
    def _patched(self) -> dict[str, bool]:
        return {}

    @property
    def is_replaying(self) -> bool:
        """Whether the journal has requests that the handler has not made yet. Marks of patches do not count."""
        recorded = self._recorded
        if not recorded:
            return False
        return recorded[0].__class__ is not e.PatchMarked or any(not isinstance(r, e.PatchMarked) for r in recorded)

    def is_patched(self, name: str) -> bool:
        """Report whether the code under ``patched(name)`` runs: always in new work, and in a replay if the journal has
        the mark."""
        known = self._patched.get(name)
        if known is None:
            mark = next((r for r in self._recorded if isinstance(r, e.PatchMarked) and r.name == name), None)
            if mark is not None:
                self._recorded.remove(mark)
            elif not self.is_replaying:
                self._turn.append(e.PatchMarked(invocation_id=self.invocation_id, name=name))
            known = self._patched[name] = mark is not None or not self.is_replaying
        return known

    def _match(
        self,
        event: Event,
        also_known_as: tuple[str, ...] = (),
        parameters: Callable[[], tuple[str, ...]] = tuple,
    ) -> Event:
        self._made += 1
        if not self._recorded or not self.is_replaying:
            self._turn.append(event)
            return event
        while isinstance(self._recorded[0], e.PatchMarked):
            self._recorded.popleft()  # the code no longer asks for the patch: every old run has passed it
        recorded = self._next_recorded()
        if not is_same_request(recorded, event, also_known_as, parameters):
            self.mismatch = mismatches.asks_otherwise(self._full_name, recorded, event)
            self.closed = True  # the attempt is over, even if the handler catches this error
            raise AttemptEnded
        self._recorded.popleft()
        return recorded

    def _next_recorded(self) -> Event:
        """Return the request that the handler must make next. There must be one."""
        recorded = self._recorded[0] = event_of(self._recorded[0], self.invocation_id)
        return recorded

    def _emit(self, piece: Piece) -> None:
        if self._emitted:
            self._emitted -= 1
        else:
            self._turn_output.append(piece)

    def _spend(self, spent: dict[str, str]) -> None:
        if self._spends:
            self._spends -= 1
        else:
            self._turn.append(e.QuantitiesSpent(invocation_id=self.invocation_id, spent=spent))

    def _keep_turn(self) -> None:
        if self._turn:
            self.progress += self._turn
            self._turn = []
        if self._turn_output:
            self.output += self._turn_output
            self._turn_output = []

    def take_progress(self) -> list[Event]:
        """Return the new events of the turns that are kept, since the last call."""
        progress, self.progress = self.progress, []
        return [event_of(part, self.invocation_id) for part in progress]

    def take_output(self) -> list[Piece]:
        """Return the new pieces of output of the turns that are kept, since the last call."""
        output, self.output = self.output, []
        return output

    def _record_changes(self, *, ended: bool) -> None:
        """Match the changes of the object, which are known at the end of a turn."""
        try:
            changes = self.state.take_changes(ended=ended)
        except BaseException as error:  # encoding a change, or asking a user's class about it, may fail
            self.error = error
            self._cannot_be_recorded = True
            return
        for change in changes:
            if self.mismatch is not None:
                return
            if change.__class__ in REQUESTS:
                if self._kept_parts and self._kept_parts[0].leaves_at(self._made):
                    self._own_changes = [*self._own_changes, change]
                self._guarded(self._match, change)
            else:
                self._turn.append(change)

    def _go_on_living(self) -> None:
        """Leave a part of the history that a restart has copied."""
        self._kept_parts = self._kept_parts[1:]
        changes, self._own_changes = self._own_changes, ()
        self.state.go_on_from(changes)
        if self._kept_parts and self._kept_parts[0].carries:
            self._own_changes = changes

    def _guarded(self, function: Callable[..., object], *args: object) -> None:
        try:
            function(*args)
        except AttemptEnded:
            if self.mismatch is None:
                raise BrokenInvariant("the attempt was ended from within without a mismatch") from None

    def _ended_early(self) -> NonDeterminismError:
        return mismatches.ends_early(self._full_name, self._next_recorded())

    @property
    def _full_name(self) -> str:
        return f"{self.invocation_id} ({self.name})"

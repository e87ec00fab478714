"""Passes recorded operations by: the part of a replay in which nothing else can happen between a request and its completion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from actors.replay.completions import Completions
from actors.replay.updates import Update
from journal import events as e
from journal.fused import RecordedTurn, StepTurn
from journal.waits import RequestedStep

if TYPE_CHECKING:
    from actors.replay.branches import Branch, Operation
    from actors.replay.plan import ReplayPlan
    from actors.replay.requests import StateView
    from journal.ids import InvocationId


class PassingBy(Completions):
    """The base of ``Execution`` that answers operations from the journal, without a turn.

    ``coming`` are the completions that the replay has not given to the handler yet, ``handed_over`` counts those that it has, and
    ``now`` is the time of the last one.
    """

    now = 0.0
    handed_over = 0

    def __init__(self, invocation_id: InvocationId, plan: ReplayPlan, *, state: StateView, name: str) -> None:
        super().__init__(invocation_id, plan, state=state, name=name)
        self.coming = plan.deliveries

    def _pass_by(self, branch: Branch, operation: Operation) -> Any:
        """Return the completion of the operation if it is next in the journal as a request and as a completion, or the
        recorded message; of a step in a turn, the value. None means that the operation must be begun and awaited.

        The turn ends between request and completion. If it fails, because the changes of the object differ from the
        recorded ones, the operation itself is returned."""
        recorded, coming, scope = self._recorded, self.coming, branch.scope
        if not recorded or not coming or self._pending_cancel is not None:
            return None
        request: Any = recorded[0]
        kind: type = type(request)
        if kind is RequestedStep:
            kind = e.StepScheduled
        if kind is not operation.request or request.step != operation.step:
            return None
        completion: Any = request  # the answer to an operation that the branch does not wait for
        at = 0.0
        if operation.completion is not None:
            following = coming[0]
            if isinstance(following, RecordedTurn):
                turn: Any = following.turn
                is_of_step = turn.__class__ is StepTurn
                ended, kind = (turn, e.StepCompleted) if is_of_step else (turn.ended, turn.ended.completion)
                if kind is not operation.completion or ended.step != operation.step or self._ready:
                    return None
                completion, at = turn.value if is_of_step else ended.event(turn.invocation_id), turn.at
            else:
                completion, at = following.event, following.stamp.at
                kind = type(completion)
                if kind is not operation.completion or completion.step != operation.step or self._ready:
                    return None
        if scope is not None and (scope.is_effectively_cancelled or _has_cancelled_update(branch)):
            return None
        if not operation.is_recorded_as(request):
            return None
        recorded.popleft()
        self._made += 1
        branch.next_step()
        operation.event = request
        if completion is not request:
            if self.state.may_have_changes and not self._keep_changes(branch):
                return operation
            self.handed_over += 1
            self.now = at
            coming.popleft()
        return completion

    def _keep_changes(self, branch: Branch) -> bool:
        """End a turn within a replay. Returns whether the changes of the object agree with the journal."""
        self.resuming = None
        self._record_changes(ended=False)
        if self.mismatch is not None or self.error is not None:
            return False
        self._keep_turn()
        self.resuming = branch
        return True


def _has_cancelled_update(branch: Branch) -> bool:
    """Report whether the branch is that of an update whose cancel is to be raised in it."""
    return isinstance(branch.nursery, Update) and branch.nursery.cancel is not None

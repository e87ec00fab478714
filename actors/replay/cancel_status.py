"""The driver's side of cancel scopes: their tree, their timers, and the cancellations that they catch."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from actors.errors import Cancelled
from actors.values.error_groups import is_group, without
from journal.errors import BrokenInvariant
from journal.ids import ROOT_STEP, StepId

if TYPE_CHECKING:
    from collections.abc import Collection

    from actors.replay.branches import Branch, Driver, Scope


class CancelStatus:
    """The driver's side of a scope: its position in the tree, the timer that cancels it, and whether it is cancelled.

    trio divides its scopes in the same way (``CancelStatus`` and ``CancelScope``), so that users hold none of the tree.
    ``deadline`` and ``relative`` are the user's; once the block is entered only ``deadline`` counts, as it is recorded.
    ``place`` is the position at which the block was entered: it shows a restart which operations are stopped by a timer
    that was set later, possibly by another branch. ``inner`` are the scopes that were entered in it and not left, and ``started`` the
    children of its nursery that have not ended, if it is a nursery's.
    """

    __slots__ = (
        "branch",
        "cancel_called",
        "cancelled_caught",
        "deadline",
        "has_been_left",
        "inner",
        "parent",
        "place",
        "relative",
        "shield",
        "started",
        "timer",
    )

    def __init__(self, *, deadline: float = math.inf, relative: float | None = None, shield: bool = False) -> None:
        self.deadline = deadline
        self.relative = relative
        self.shield = shield
        self.cancel_called = False
        self.cancelled_caught = False
        self.has_been_left = False
        self.branch: Branch | None = None
        self.parent: Scope | None = None
        self.inner: dict[Scope, None] = {}
        self.started: Collection[Branch] = ()
        self.place = ROOT_STEP
        self.timer: StepId | None = None

    @property
    def is_effectively_cancelled(self) -> bool:
        """Whether this scope is cancelled, or a scope around it from which no shield protects it."""
        scope: Scope | None = self
        while scope is not None:
            if scope.cancel_called:
                return True
            if scope.shield:
                return False
            scope = scope.parent
        return False

    @property
    def execution(self) -> Driver | None:
        """The attempt whose awaits the scope can still cancel; None if there is none."""
        if self.branch is None or self.has_been_left or self.branch.execution.closed:
            return None
        return self.branch.execution

    def interrupt(self) -> None:
        """Cancel every await in the block, now and until the block is left."""
        if self.cancel_called:
            return
        self.cancel_called = True
        if self.execution is not None:
            self.execution.interrupt_below(self)

    def expire(self) -> None:
        """Cancel the scope because its timer has fired."""
        self.timer = None
        self.interrupt()

    def set_shield(self, shield: bool) -> None:
        """Set the shield. Turning it off delivers the cancellations that it held back."""
        is_lowered = self.shield and not shield
        self.shield = shield
        if is_lowered and self.execution is not None:
            self.execution.interrupt_behind_shield(self)

    def set_deadline(self, at: float) -> None:
        """Replace the deadline on behalf of the running branch. A timer is set only while the block is entered and not
        cancelled."""
        execution = self.execution
        if execution is None or self.cancel_called:
            self.deadline, self.relative = at, None
            return
        if execution.resuming is None:
            raise BrokenInvariant("a deadline was set while no branch was running")
        asking = execution.resuming.acting
        self.disarm(asking)
        self.deadline = at
        self.arm(asking)

    def enter(self, branch: Branch, place: StepId | None = None) -> None:
        """Make this the innermost scope of the branch."""
        self.branch = branch
        self.parent = branch.scope
        self.place = branch.following_step if place is None else place
        branch.scope = self
        if self.parent is not None:
            self.parent.inner[self] = None
        if not branch.execution.closed:
            self.arm(branch)

    def arm(self, asking: Branch) -> None:
        """Set a timer that cancels the scope at its deadline, if it has one."""
        execution, relative = asking.execution, self.relative
        if relative is not None:
            self.deadline, self.relative = execution.live_now + relative, None
        elif self.deadline == math.inf:
            return
        step = asking.next_step()
        # If the timer starts together with the block, the timer's event records the position.
        block = ROOT_STEP if step == self.place else self.place
        self.timer = step
        self.deadline = execution.schedule_deadline(self, asking, step, block)

    def disarm(self, asking: Branch) -> None:
        """Drop the timer, if there is one."""
        timer, self.timer = self.timer, None
        if timer is not None:
            asking.execution.drop_deadline(asking, timer)

    def leave(self, error: BaseException | None) -> bool:
        """Leave the block. Returns whether ``error`` is this scope's own cancellation, which ends here."""
        branch = self.branch
        if branch is None:
            raise BrokenInvariant("a scope was left that was never entered")
        execution = branch.execution
        if isinstance(error, GeneratorExit) and not branch.has_turn:
            return False  # the generator around it is being finalised, and nothing of it counts
        if not execution.closed:
            branch.must_run("the end of a CancelScope")
            if branch.scope is not self:
                raise RuntimeError(
                    "CancelScopes are left in the order in which they were entered, from the inside out. A generator that "
                    "yields inside of one must be closed before the block around it is left: use contextlib.aclosing()"
                )
        branch.scope = self.parent
        if self.parent is not None:
            self.parent.inner.pop(self, None)
        if not execution.closed:
            self.disarm(branch)
        self.has_been_left = True
        if error is None or not self._absorbs:
            return False
        return self._catch(error)

    @property
    def _absorbs(self) -> bool:
        outside = self.parent is not None and not self.shield and self.parent.is_effectively_cancelled
        return self.cancel_called and not outside

    def _catch(self, error: BaseException) -> bool:
        if self.branch is not None and self.branch.is_own_cancel(error):
            self.cancelled_caught = True
            return True
        if not is_group(error):
            return False
        self.cancelled_caught, others = without(error, Cancelled)
        if others is not None and others is not error:
            raise others from error.__cause__
        return others is None

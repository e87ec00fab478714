"""Refuses what the code of a handler uses or forgets: the error becomes that of the handler, whatever its code does with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.replay.first_branch import FirstBranch

if TYPE_CHECKING:
    from actors.errors import MisuseError
    from actors.replay.branches import Branch


def running_branch(of: Branch) -> Branch | None:
    """Return the branch whose code is being run, in the attempt of this one; None if no code of the attempt is."""
    if isinstance(of, FirstBranch) and not of.has_attempt:
        return of if of.is_running else None
    return of.execution.resuming


def is_over(branch: Branch) -> bool:
    """Report whether nothing that the branch does counts any more."""
    return branch.is_over if not isinstance(branch, FirstBranch) or branch.has_attempt else False


def refuse(branch: Branch, error: MisuseError, *, is_raised: bool) -> None:
    """Make the error that of the handler, or of the update or the hosted loop that the branch belongs to. Unless it ``is_raised`` where
    it was made, raise it at the next await."""
    if branch.nursery is None:
        branch.execution.refuse(error, is_raised=is_raised)
    else:
        branch.nursery.refuse(error, is_raised=is_raised)

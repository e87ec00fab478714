"""The answer to a restart."""

from __future__ import annotations

import attrs

from journal.events import Status, Successor


@attrs.frozen
class RestartResult:
    """The result of a restart: whether anything changed, and the original's status before and after.

    ``successor`` names the new invocation, and says what it keeps, what begins again, and what of the original is dropped; after
    a dry run its id is empty::

        plan = await client.invocation(id).restart("charge", dry_run=True)
        print([step.name for step in plan.successor.again])
    """

    changed: bool
    before: Status
    after: Status
    successor: Successor

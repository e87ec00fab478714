"""Checks of all invocations that a client lists, or chooses as for a job."""

from __future__ import annotations

import os
from contextlib import aclosing
from typing import TYPE_CHECKING

from actors.control.local.checks import Checker, checked_code, last_of
from actors.control.local.jobs import LocalJobs
from actors.core.jobs import Choice
from actors.model.checks import CheckSummary
from actors.model.listing import Listing
from actors.values.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator


class LocalBulkChecks(LocalJobs):
    """Replays many invocations on one deployment."""

    async def check_all(
        self, listing: Listing, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckSummary:
        return await last_of(self.check_each(listing, Choice(), deployment, code))

    async def check_each(
        self, listing: Listing, choice: Choice, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> AsyncGenerator[CheckSummary]:
        """Replay invocations on other code, and yield the summary as it grows. Takes the invocations chosen by ids or
        by a job, else the newest listed.
        """
        if choice.ids or choice.refused_by:
            count, wanted = await self.chosen(choice, at_most=listing.limit)
        else:
            count, wanted = await self.queries.newest_ids(self.query_target(), listing)
        async with (
            checked_code(self.engine.applications, self.environment, deployment, code, "") as (name, app),
            self.snapshot() as snapshot,
        ):
            checker = Checker(snapshot, self.environment)
            each = checker.check_each(wanted, name, app, is_complete=count <= listing.limit)
            async with aclosing(each):
                async for summary in each:
                    yield summary

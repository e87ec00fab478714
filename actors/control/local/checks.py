"""Checks invocations of a running journal against a deployment, or against unregistered code."""

from __future__ import annotations

import math
import os
import tempfile
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from actors.code.discovery import snapshot_of
from actors.code.loading import load, unload
from actors.code.registry import LATEST
from actors.control.local.jobs import LocalJobs
from actors.core import commands as c
from actors.core.jobs import Choice
from actors.engine.dry_run import rehearse
from actors.engine.requests import ControlAction
from actors.errors import IncompatibleError, Refused
from actors.model.app import App
from actors.model.checks import CheckReport, CheckSummary, CheckTally, refuse_incompatible
from actors.model.keys import checked_request_key
from actors.model.listing import Listing
from actors.query.recorded import read_recorded
from actors.system import SYSTEM_CLASSES
from actors.values.snapshot import Snapshot
from journal.errors import BrokenInvariant, CorruptRecord, Damaged
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence
    from pathlib import Path

    from actors.code.registry import CodeRegistry
    from actors.environment import Environment
    from actors.model.checks import CheckReport, CheckSummary
    from actors.query.snapshot import JournalSnapshot
    from journal.events import ControlResult
    from journal.ids import InvocationId

KEEP = "keep"

PROGRESS_SECONDS = 0.5
"""How often a check of many invocations reports its progress."""


@asynccontextmanager
async def loaded_aside(code: str | os.PathLike[str] | Snapshot, world: Environment) -> AsyncIterator[tuple[str, App]]:
    """Load unregistered code for the block. Raises :class:`actors.BrokenDeploymentError`."""
    snapshot = code
    if not isinstance(snapshot, Snapshot):
        snapshot = await world.offload(partial(snapshot_of, os.fspath(snapshot)))
    with tempfile.TemporaryDirectory(prefix="playhead-check-") as folder:
        loaded = await world.offload_detached(partial(load, snapshot, Path(folder)))
        try:
            yield snapshot.deployment, App(loaded.classes, system=SYSTEM_CLASSES)
        finally:
            unload(snapshot.deployment)


class Checker:
    """Replays invocations as one snapshot has them."""

    def __init__(self, snapshot: JournalSnapshot, world: Environment) -> None:
        self._snapshot = snapshot
        self._world = world

    async def check(self, of: InvocationId, deployment: str, app: App) -> CheckReport:
        """Check one invocation."""
        kept = await read_recorded(self._snapshot, of)
        report: CheckReport = await self._world.offload_detached(partial(rehearse, kept, app, deployment, self._world))
        return report

    async def check_each(
        self, wanted: Sequence[InvocationId], deployment: str, app: App, *, is_complete: bool
    ) -> AsyncGenerator[CheckSummary]:
        """Check all of these and group the results: yields the summary at the start, from time to time, and at the end."""
        tally = CheckTally(deployment, len(wanted), is_complete)
        told_at = -math.inf
        for of in wanted:
            if trio.current_time() - told_at >= PROGRESS_SECONDS:
                yield tally.summary()
                told_at = trio.current_time()
            try:
                tally.add(await self.check(of, deployment, app))
            except (Refused, CorruptRecord, Damaged) as refusal:
                tally.skip(of, str(refusal))
        yield tally.summary()


async def last_of(summaries: AsyncGenerator[CheckSummary]) -> CheckSummary:
    """The last summary."""
    last: CheckSummary | None = None
    async with aclosing(summaries):
        async for summary in summaries:
            last = summary
    if last is None:
        raise BrokenInvariant("the last one tells all")
    return last


@asynccontextmanager
async def checked_code(
    applications: CodeRegistry,
    world: Environment,
    deployment: str,
    code: str | os.PathLike[str] | Snapshot | None,
    pinned: str,
) -> AsyncIterator[tuple[str, App]]:
    """The code to check against: ``code`` if given, else a deployment by id, ``latest``, or ``keep`` for the ``pinned`` one."""
    if code is not None:
        async with loaded_aside(code, world) as aside:
            yield aside
        return
    wanted = pinned if deployment == KEEP else applications.latest if deployment == LATEST else deployment
    if wanted not in ("", applications.served_as):
        applications.registered.find(wanted)
    yield wanted, await applications.load(wanted)


class LocalChecks(LocalJobs):
    """Checks of invocations that a client names, lists or selects as for a job."""

    async def check(
        self, of: InvocationId, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckReport:
        pinned = (await self.row(of)).deployment
        async with (
            checked_code(self.engine.applications, self.world, deployment, code, pinned) as (name, app),
            self.snapshot() as snapshot,
        ):
            return await Checker(snapshot, self.world).check(of, name, app)

    async def check_all(
        self, listing: Listing, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> CheckSummary:
        return await last_of(self.check_each(listing, Choice(), deployment, code))

    async def check_each(
        self, listing: Listing, choice: Choice, deployment: str, code: str | os.PathLike[str] | Snapshot | None
    ) -> AsyncGenerator[CheckSummary]:
        """Check many and yield the summary as it grows: those selected by ids or by a job if there are any, else the newest
        listed."""
        if choice.ids or choice.refused_by:
            count, wanted = await self.chosen(choice, at_most=listing.limit)
        else:
            count, wanted = await self.queries.newest_ids(self.query_target(), listing)
        async with (
            checked_code(self.engine.applications, self.world, deployment, code, "") as (name, app),
            self.snapshot() as snapshot,
        ):
            checker = Checker(snapshot, self.world)
            each = checker.check_each(wanted, name, app, is_complete=count <= listing.limit)
            async with aclosing(each):
                async for summary in each:
                    yield summary

    async def resume_if_compatible(self, command: c.ResumeInvocation, idempotency_key: str | None) -> ControlResult:
        if await self._has_obeyed(command, idempotency_key):
            return await self.execute(command, idempotency_key)  # read again: it may have advanced since
        report = await self.check(command.invocation_id, command.deployment or KEEP, None)
        try:
            refuse_incompatible(report)
        except IncompatibleError as refusal:
            act = ControlAction(
                verb="resume",
                target=command.invocation_id,
                detail=f"on {report.deployment}",
                reason=command.reason,
            )
            await self.engine.note(act, self.who, refusal=f"{type(refusal).__name__}: {refusal}")
            raise
        if command.deployment is not None:
            command = attrs.evolve(
                command, deployment=report.deployment
            )  # the deployment that was checked, whichever is the latest by then
        return await self.execute(command, idempotency_key)

    async def _has_obeyed(self, command: c.ResumeInvocation, idempotency_key: str | None) -> bool:
        request = self.in_realm(checked_request_key(idempotency_key))
        return request is not None and request in (await self.info(command.invocation_id)).requests

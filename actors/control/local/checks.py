"""Checks invocations of a running journal against a deployment, or against code that is registered nowhere."""

from __future__ import annotations

import math
import os
import tempfile
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from actors.code.discovery import snapshot_of
from actors.code.loading import load, unload
from actors.code.registry import LATEST
from actors.engine.dry_run import read_invocation, rehearse
from actors.errors import Refused
from actors.model.app import App
from actors.model.checks import CheckReport, CheckSummary, CheckTally
from actors.system import SYSTEM_CLASSES
from actors.values.snapshot import Snapshot
from journal.errors import BrokenInvariant, CorruptRecord, Damaged

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from actors.code.registry import CodeRegistry
    from actors.environment import Environment
    from journal.ids import InvocationId
    from journal.kv.store import Readable

KEEP = "keep"

PROGRESS_SECONDS = 0.5
"""So often it is told how far a check of many has come."""


@asynccontextmanager
async def loaded_aside(code: str | os.PathLike[str] | Snapshot, world: Environment) -> AsyncIterator[tuple[str, App]]:
    """Code that is registered nowhere, loaded for the block. Raises :class:`actors.BrokenDeploymentError`."""
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
    """Replays invocations as one view of the journal has them."""

    def __init__(self, rows: Readable, partitions: int, world: Environment) -> None:
        self._rows = rows
        self._partitions = partitions
        self._world = world

    async def check(self, of: InvocationId, deployment: str, app: App) -> CheckReport:
        """One of them."""
        kept = await read_invocation(self._rows, self._partitions, of)
        report: CheckReport = await self._world.offload_detached(partial(rehearse, kept, app, deployment, self._world))
        return report

    async def check_each(
        self, wanted: Sequence[InvocationId], deployment: str, app: App, *, is_complete: bool
    ) -> AsyncGenerator[CheckSummary]:
        """All of these, in cohorts: how far it has come, at once and then now and again, and at last all of it."""
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
    """What it has come to."""
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
    """The code that is meant: ``code`` if it is given, else a deployment by its id, ``latest``, or ``keep``, the ``pinned`` one."""
    if code is not None:
        async with loaded_aside(code, world) as aside:
            yield aside
        return
    wanted = pinned if deployment == KEEP else applications.latest if deployment == LATEST else deployment
    if wanted not in ("", applications.served_as):
        applications.registered.find(wanted)
    yield wanted, await applications.load(wanted)

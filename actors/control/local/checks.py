"""Checks invocations of a running journal against a deployment, or against unregistered code."""

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
from actors.engine.dry_run import rehearse
from actors.errors import NotFoundError, RefusedError, ResourceKind
from actors.model.app import App
from actors.model.checks import CheckReport, CheckSummary, CheckTally
from actors.model.verb_options import KEEP
from actors.query.recorded import read_recorded
from actors.query.recordings import read_recordings
from actors.system import SYSTEM_CLASSES
from actors.values.snapshot import Snapshot
from journal.errors import BrokenInvariant, CorruptRecord, Damaged
from journal.ids import InvocationId

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence

    from actors.code.registry import CodeRegistry
    from actors.environment import Environment
    from actors.query.snapshot import JournalSnapshot

PROGRESS_SECONDS = 0.5
"""How often a check of many invocations reports its progress."""


@asynccontextmanager
async def loaded_aside(
    code: str | os.PathLike[str] | Snapshot, environment: Environment
) -> AsyncIterator[tuple[str, App]]:
    """Load unregistered code for the block. Raises :class:`actors.errors.BrokenDeploymentError`."""
    snapshot = code
    if not isinstance(snapshot, Snapshot):
        snapshot = await environment.offload(partial(snapshot_of, os.fspath(snapshot)))
    with tempfile.TemporaryDirectory(prefix="playhead-check-") as folder:
        loaded = await environment.offload_detached(partial(load, snapshot, Path(folder)))
        try:
            yield snapshot.deployment, App(loaded.classes, system=SYSTEM_CLASSES)
        finally:
            unload(snapshot.deployment)


class Checker:
    """Replays invocations as of one snapshot."""

    def __init__(self, snapshot: JournalSnapshot, environment: Environment) -> None:
        self._snapshot = snapshot
        self._environment = environment

    async def check(self, of: InvocationId, deployment: str, app: App) -> CheckReport:
        """Check one invocation."""
        kept = await read_recorded(self._snapshot, of)
        report: CheckReport = await self._environment.offload_detached(
            partial(rehearse, kept, app, deployment, self._environment)
        )
        return report

    async def check_each(
        self, wanted: Sequence[InvocationId], deployment: str, app: App, *, is_complete: bool
    ) -> AsyncGenerator[CheckSummary]:
        """Check all of these invocations and group the results. Yields the summary at the start, from time to time, and
        at the end.
        """
        tally = CheckTally(deployment, len(wanted), is_complete)
        told_at = -math.inf
        for of in wanted:
            if trio.current_time() - told_at >= PROGRESS_SECONDS:
                yield tally.summary()
                told_at = trio.current_time()
            try:
                tally.add(await self.check(of, deployment, app))
            except (RefusedError, CorruptRecord, Damaged) as refusal:
                tally.skip(of, str(refusal))
        yield tally.summary()


def check_recordings(
    path: str | os.PathLike[str], app: App, deployment: str, environment: Environment
) -> Iterator[CheckReport]:
    """Replay each recording of a file on the code, in this thread. Raises ``OSError``, :class:`actors.InvalidArgumentError`, and
    :class:`actors.NotFoundError` if the file has none."""
    has_some = False
    with open(path, "rb") as file:
        for kept in read_recordings(file, os.fspath(path)):
            has_some = True
            yield rehearse(kept, app, deployment, environment)
    if not has_some:
        raise NotFoundError(
            f"{os.fspath(path)} has no recording; 'playhead invocations export --recording' writes them",
            kind=ResourceKind.HISTORY,
        )


async def last_of(summaries: AsyncGenerator[CheckSummary]) -> CheckSummary:
    """Exhaust the summaries and return the last."""
    last: CheckSummary | None = None
    async with aclosing(summaries):
        async for summary in summaries:
            last = summary
    if last is None:
        raise BrokenInvariant("the check ended without a summary")
    return last


@asynccontextmanager
async def checked_code(
    applications: CodeRegistry,
    environment: Environment,
    deployment: str,
    code: str | os.PathLike[str] | Snapshot | None,
    pinned: str,
) -> AsyncIterator[tuple[str, App]]:
    """Load the code to check against: ``code`` if given, else a deployment by id, ``latest``, or ``keep`` for the
    ``pinned`` one.
    """
    if code is not None:
        async with loaded_aside(code, environment) as aside:
            yield aside
        return
    wanted = pinned if deployment == KEEP else applications.latest if deployment == LATEST else deployment
    if wanted not in ("", applications.served_as):
        applications.registered.find(wanted)
    yield wanted, await applications.load(wanted)

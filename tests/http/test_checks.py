"""A check over a connection is the same check; code on disk stays on its disk."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors.deployments.discovery import snapshot_of
from actors.deployments.loading import load, unload
from tests.cli.test_check import APP
from tests.deployments.apps import write
from tests.http.served import Served, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from actors.references import InvocationHandle


@asynccontextmanager
async def checked(tmp_path: Path) -> AsyncIterator[tuple[Served, InvocationHandle[Any]]]:
    """A server whose latest code diverges from what an invocation has done."""
    snapshot = snapshot_of(write(tmp_path / "src", app=APP) / "app.py")
    loaded = load(snapshot, tmp_path / "served")
    try:
        async with serving(tmp_path, *loaded.classes, code=snapshot) as served:
            handle = await served.runtime.client.service(loaded.module("app").Import).run.send("a")
            with trio.fail_after(30):
                while not any(wait.kind == "signal" for wait in (await handle.info()).waits):
                    await trio.sleep(0.01)
            write(tmp_path / "src", app=APP.replace("await fetch(what)", "str(await actors.sleep(1))"))
            await served.runtime.client.register_deployment(tmp_path / "src" / "app.py")
            yield served, handle
    finally:
        unload(snapshot.deployment)


async def test_both_clients_report_the_same(tmp_path: Path) -> None:
    async with checked(tmp_path) as (served, handle), served.client() as remote:
        for deployment in ("latest", "keep"):
            report = await remote.invocation(handle.id).check(deployment=deployment)
            assert report == await handle.check(deployment=deployment)
            assert report.is_compatible == (deployment == "keep")
        assert await handle.resume(deployment="latest", dry_run=True) == await remote.invocation(handle.id).check()
        for options in ({}, {"service": "Import"}, {"where": "status = 'paused'"}, {"limit": 1}):
            assert await remote.check(**options) == await served.runtime.client.check(**options)


async def test_code_on_disk_and_what_is_unknown_are_refused(tmp_path: Path) -> None:
    async with checked(tmp_path) as (served, handle), served.client() as remote:
        with pytest.raises(actors.UnavailableError, match="not sent to a server"):
            await remote.invocation(handle.id).check(app=tmp_path / "src" / "app.py")
        with pytest.raises(actors.UnknownDeploymentError):
            await remote.invocation(handle.id).check(deployment="dep_0000000000000000")
        with pytest.raises(actors.UnknownInvocationError):
            await remote.invocation("inv_1" + "0" * 33).check()

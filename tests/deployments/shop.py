"""An application whose code changes, on a store that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from actors.code.discovery import snapshot_of
from actors.code.loading import load, unload
from tests.deployments.apps import write
from tests.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from actors.model.handles import InvocationHandle
    from actors.runtime import Runtime


class Shop:
    """An application whose code changes, on a store that stays."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.lab = Lab()
        self._loaded: list[str] = []

    def write(self, version: int, source: str) -> str:
        """Change the files; the deployment that they are now."""
        write(self.folder / "src", app=source.format(version=version))
        return snapshot_of(self.folder / "src" / "app.py").deployment

    def running(self) -> AbstractAsyncContextManager[Runtime]:
        """Serve the files as they are now."""
        snapshot = snapshot_of(self.folder / "src" / "app.py")
        served = load(snapshot, self.folder / "served")
        self._loaded.append(served.deployment)
        self.app: Any = served.module("app")
        return self.lab.running(*served.classes, code=snapshot)

    def close(self) -> None:
        for deployment in self._loaded:
            unload(deployment)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    shop = Shop(tmp_path)
    yield shop
    shop.close()


async def waits(handle: InvocationHandle[Any]) -> None:
    """Let it come to where it waits for its signal."""
    with trio.fail_after(60):
        while not any(wait.kind == "signal" for wait in (await handle.info()).waits):
            await trio.sleep(0.01)

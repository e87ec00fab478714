"""Checks who asks an engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from actors.event_loop import require_own_run
from actors.model.verbs.refused_use import require_no_handler

if TYPE_CHECKING:
    import trio


def require_client(run: trio.lowlevel.TrioToken) -> None:
    """Raise :class:`actors.errors.MisuseError` in a handler, and in another event loop, or another thread, than that of the ``run``."""
    require_no_handler()
    require_own_run(run)

"""The gates that a runtime closes before anything runs: for a paused start, and for a restored copy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from actors.core.gates import BACKLOG, EVERYTHING, Gate, GateState
from actors.model.control_options import GateOptions
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from actors.control.local.backend import LocalBackend
    from actors.environment import Environment
    from actors.rows.audit import Principal
    from journal.log.protocol import Journal

log = SafeLogger(__name__)

_WHY_HELD = "restored from a backup: its open invocations may still run in the original"


async def hold_backlog(backend: LocalBackend, journal: Journal) -> None:
    """Hold the unfinished work of a restored copy once, because the original may still be doing it. From then on the
    gate decides.
    """
    directory = journal.directory
    identity = None if directory is None else directory.identity()
    if directory is None or identity is None or identity.backlog is None or not identity.is_held:
        return
    await backend.close_gate(BACKLOG, GateOptions(reason=_WHY_HELD), since=identity.backlog.before)
    directory.check()
    directory.write_identity(attrs.evolve(identity, is_held=False))
    log.warning(
        "%s is a copy: the gate 'backlog' holds invocations accepted before the backup; new ones run. "
        "'playhead gates open backlog' resumes the held ones",
        directory.path,
    )


def gate_at_start(environment: Environment, who: Principal) -> Gate:
    """Return the gate of a paused start, which holds everything."""
    return Gate(
        scope=EVERYTHING, state=GateState.CLOSED, since=environment.clock.now(), by=who.by, reason="started paused"
    )

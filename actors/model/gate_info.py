"""The public record of a gate."""

from __future__ import annotations

from typing import Annotated

import attrs

from actors.core.gates import Gate, GateChange, GateState
from journal.events import PauseMode
from journal.fields import described, moment


@attrs.frozen(kw_only=True)
class GateInfo:
    """A gate: the scope that it holds (``service:Agent``), since when, by whom and why; or, if open, an exception to a wider
    gate."""

    scope: Annotated[
        str,
        described(
            "the scope that it holds: everything, backlog, or service:, handler:, key: or deployment: and a name"
        ),
    ]
    state: Annotated[GateState, described("closed, or open for an exception to a wider gate")]
    mode: Annotated[
        PauseMode, described("whether a running step ended (drain) or was aborted (now) when it was closed")
    ]
    since: Annotated[float, moment("when it was closed or opened")]
    by: Annotated[str, described("the principal who closed or opened it")]
    reason: Annotated[str, described("the reason given")] = ""


@attrs.frozen(kw_only=True)
class GateAnswer:
    """The result of closing or opening a scope: whether a gate changed, and the state of the scope before and after.

    ``gate`` is the closed gate that holds the scope now, its own or a wider one.
    """

    scope: str
    changed: bool
    before: GateState
    after: GateState
    gate: GateInfo | None = None


def gate_info(gate: Gate) -> GateInfo:
    """Convert a gate to its public form."""
    return GateInfo(
        scope=str(gate.scope), state=gate.state, mode=gate.mode, since=gate.since, by=gate.by, reason=gate.reason
    )


def gate_answer(change: GateChange) -> GateAnswer:
    """Convert the change of a gate to its public form."""
    return GateAnswer(
        scope=str(change.scope),
        changed=change.changed,
        before=change.before,
        after=change.after,
        gate=None if change.gate is None else gate_info(change.gate),
    )

"""Gates, as they are shown, closed and opened."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import trio

from cli.output import emit, emit_json, remark, safe
from cli.source import live, seen
from cli.tables import GATES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from actors.control.gates import GateClient
    from actors.model.info import GateAnswer
    from cli.source import Where


def show_all(where: Where, output: str) -> None:
    """List those that are closed, and the exceptions to them."""
    GATES.show(seen(where, lambda source: source.gates()), output)


def change(where: Where, output: str, ask: Callable[[GateClient], Awaitable[Any]]) -> None:
    """Close or open one, and say what that changed."""

    async def run() -> GateAnswer:
        async with live(where) as client:
            answer: GateAnswer = await ask(client.gates)
            return answer

    answer = trio.run(run)
    if output == "json":
        emit_json(answer)
        return
    change = "changed" if answer.changed else "unchanged"
    emit(f"{safe(answer.scope)}  {change}  {answer.before.value} -> {answer.after.value}")
    if answer.gate is not None and answer.gate.scope != answer.scope:
        remark(f"it is held by the gate {answer.gate.scope}")

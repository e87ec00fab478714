"""A one-way send."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from cli.output import emit, remark
from cli.source import live

if TYPE_CHECKING:
    from actors.control.backend import Sent
    from cli.source import Where
    from journal.events import Target


def send(target: Target, argument: bytes, delay: float | None, idempotency_key: str | None, where: Where) -> None:
    """Send it, and print the invocation's id."""

    async def run() -> Sent:
        async with live(where) as client:
            return await client.send(target, argument, idempotency_key=idempotency_key, delay=delay)

    sent = trio.run(run)
    emit(sent.invocation_id)
    if not sent.is_new:
        remark("it had been sent before; nothing was sent again")

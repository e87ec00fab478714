"""What the tests of the command line serve."""

from __future__ import annotations

import actors
from actors import Actor, Log, Map, RetryPolicy, Service, handler, step


class Shop(Actor):
    """Sells tea."""

    owner: str = "nobody"
    stock: Map[str, int]
    sales: Log[str]

    @handler
    async def sell(self, what: str, amount: int = 1) -> int:
        """Take some out of the stock."""
        self.sales.append(what)
        self.stock[what] = self.stock.get(what, 10) - amount
        return self.stock[what]


@step
async def look(name: str) -> str:
    return f"{name} looked"


class Waiter(Service):
    @handler
    async def wait(self, name: str) -> str:
        found = await look(name)
        return f"{found}, {await actors.signal('go', str)}"

    @handler
    async def wait_untyped(self) -> str:
        actors.set_status_text("ready to go")
        return repr(await actors.signal("go"))

    @handler(retry=RetryPolicy(max_attempts=1, on_exhausted="fail"))
    async def stumble(self) -> None:
        raise ValueError("a stone")

    @handler
    async def recite(self, words: list[str]) -> None:
        await recite(words)
        actors.emit({"words": len(words)})
        actors.emit("done", stream="notes")


@step
async def recite(words: list[str]) -> None:
    for word in words:
        actors.emit(word)

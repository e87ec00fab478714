"""A shopping cart: a ``Map`` holds many items, and a change of one costs the same for any number of items.

A plain ``dict`` field is recorded as a whole whenever it changes, which is fine for a few items. A ``Map`` records only the items
that changed, and reads only the items that are used.

    python examples/cart.py
    playhead serve examples/cart.py         # in another shell:
    playhead call Cart/alice/put '{"article": "tea", "count": 2}'
    playhead call Cart/alice/content
    playhead call Cart/alice/check_out
"""

import tempfile

import attrs
import trio

import actors
from actors import Actor, Map, handler, shared


@attrs.frozen
class Line:
    count: int
    price_cents: int


PRICES_CENTS = {"tea": 350, "cups": 1200, "biscuits": 275}


class UnknownArticle(actors.TerminalError):
    http_status = 404


class Cart(Actor):
    lines: Map[str, Line]

    @handler
    async def put(self, article: str, count: int = 1) -> Line:
        if article not in PRICES_CENTS:
            raise UnknownArticle(f"no article {article!r}; there are {', '.join(PRICES_CENTS)}")
        before = self.lines.get(article)
        line = Line(count + (before.count if before is not None else 0), PRICES_CENTS[article])
        self.lines[article] = line
        return line

    @handler
    async def remove(self, article: str) -> bool:
        if article not in self.lines:
            return False
        del self.lines[article]
        return True

    @handler(atomic=True)  # all of it, or nothing
    async def check_out(self) -> int:
        total = sum(line.count * line.price_cents for line in self.lines.values())
        for article in list(self.lines):
            del self.lines[article]
        return total

    @shared
    async def content(self) -> dict[str, Line]:
        return dict(self.lines.items())


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Cart, path=data) as runtime:
            cart = runtime.client.actor(Cart, "alice")
            await cart.put("tea", 2)
            await cart.put("cups")
            await cart.put("tea")
            await cart.remove("cups")
            print(await cart.content())
            try:
                await cart.put("coffee")
            except UnknownArticle as error:
                print("refused:", error)
            print("to pay, in cents:", await cart.check_out())
            print(await cart.content())


if __name__ == "__main__":
    trio.run(main)

"""The smallest object with a field, for tests that need one and do not ask what it does."""

from __future__ import annotations

from actors import Actor, handler


class Counter(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

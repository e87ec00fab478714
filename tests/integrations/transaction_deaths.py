"""Books orders in processes that die at every point of a transactional step: at each exchange with PostgreSQL, before it, with the request
sent and not answered, and after it; and by SIGKILL from outside after a random time. ::

    python -m tests.integrations.transaction_deaths FOLDER DATABASE KILLS

The libraries are imported once, and each life is a fork. The rows of the bookings have no unique key, so a repeated one is counted.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psycopg
import trio

import actors
import actors.runtime  # it is imported at its first use: once here, and not in each life
from actors import RetryPolicy, Service, handler
from actors.integrations.transactions import create_table, transactional

PHASES = ("before", "sent", "after")
MOST_LIVES = 2000
AT_ONCE = RetryPolicy(max_attempts=None, initial_delay=0.001, max_delay=0.001)

_database = ""
_dies_at = -1
_points = 0


def _pass(phase: str) -> None:
    global _points
    if _points == _dies_at:
        os.kill(os.getpid(), signal.SIGKILL)
    _points += 1


class Mortal(psycopg.Connection[Any]):
    """A connection whose process may die at any of its exchanges with the server."""

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        def exchange() -> Any:
            _pass("before")
            try:
                waits_for = next(gen)
                _pass("sent")
                while True:
                    waits_for = gen.send((yield waits_for))
            except StopIteration as stop:
                _pass("after")
                return stop.value

        return super().wait(exchange(), *args, **kwargs)


@transactional(lambda: Mortal.connect(_database), retry=AT_ONCE)
def book(connection: psycopg.Connection[Any], order: int) -> int:
    connection.execute("insert into bookings values (%s)", [order])
    return order * 10


class Orders(Service):
    @handler
    async def book(self, orders: int) -> list[int]:
        return [await book(order) for order in range(orders)]


async def _live(data: Path, orders: int, writing: int) -> None:
    async with actors.open_runtime(Orders, path=data, durability="os", code=None) as runtime:
        client = runtime.client.service(Orders)
        results = await client.book.options(idempotency_key="once").send(orders)
        os.write(writing, json.dumps(await results.result()).encode())


def _life(data: Path, orders: int, dies_at: int, seconds: float | None) -> tuple[bool, Any]:
    """Whether it was killed, and the results if it was not."""
    global _dies_at
    reading, writing = os.pipe()
    life = os.fork()
    if life == 0:
        os.close(reading)
        _dies_at = dies_at
        trio.run(_live, data, orders, writing)
        os._exit(0)
    os.close(writing)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(life, signal.SIGKILL)
    with os.fdopen(reading) as said:
        text = said.read()
    _, status = os.waitpid(life, 0)
    return os.WIFSIGNALED(status), json.loads(text) if text else None


def main(folder: Path, kills: int) -> dict[str, Any]:
    with psycopg.connect(_database) as connection:
        create_table(connection)
        connection.execute("create table bookings (number int)")
    chance = random.Random(kills)
    killed, rounds, points, results, orders = 0, 0, set[int](), [], 4
    doubled = lost = wrong = 0
    while killed < kills:
        point = 0
        for _ in range(MOST_LIVES):
            at_random = rounds % 4 == 3
            ended, results = _life(
                folder / f"data{rounds}",
                orders,
                -1 if at_random else point,
                chance.uniform(0.05, 0.25) if at_random else None,
            )
            killed += ended
            if not at_random:
                points.add(point)
                point += 1
            if results is not None or killed >= kills:
                break
        if results is None:
            _, results = _life(folder / f"data{rounds}", orders, -1, None)
        with psycopg.connect(_database) as connection:
            counts = dict(connection.execute("select number, count(*) from bookings group by number").fetchall())
            connection.execute("truncate bookings")
        doubled += sum(count > 1 for count in counts.values())
        lost += sum(order not in counts for order in range(orders))
        wrong += results != [order * 10 for order in range(orders)]
        rounds += 1
    return {"kills": killed, "rounds": rounds, "points": len(points), "doubled": doubled, "lost": lost, "wrong": wrong}


if __name__ == "__main__":
    _database = sys.argv[2]
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[3]))))

"""A step that changes a database exactly once: its rows and its outcome are committed in one transaction of that database.

Without it, a process that dies after the commit and before the step's record books the order again. Here the next try finds the
outcome in the table ``playhead_outcomes``, and the body does not run.

    python examples/transaction.py           # each run books two orders
    playhead serve examples/transaction.py   # in another shell:
    playhead call Orders/book '{"customer": "ada", "amount": 40}'
    playhead invocations list
"""

import sqlite3
from contextlib import closing

import trio

import actors
from actors import Service, handler
from actors.integrations.transactions import create_table, transactional


def connect() -> sqlite3.Connection:
    return sqlite3.connect("orders.db")


def create_tables() -> None:
    with closing(connect()) as connection:
        create_table(connection)
        connection.execute("create table if not exists orders (customer text, amount int)")


@transactional(connect)
def insert(connection: sqlite3.Connection, customer: str, amount: int) -> int:
    connection.execute("insert into orders values (?, ?)", (customer, amount))
    total: int = connection.execute("select sum(amount) from orders where customer = ?", (customer,)).fetchone()[0]
    return total


class Orders(Service):
    @handler
    async def book(self, customer: str, amount: int) -> str:
        await actors.run(create_tables)
        return f"{customer} has ordered for {await insert(customer, amount)}"


async def main() -> None:
    async with actors.open_runtime(Orders, path="playhead-data") as runtime:
        orders = runtime.client.service(Orders)
        print(await orders.book("ada", 30))
        print(await orders.book("ada", 12))


if __name__ == "__main__":
    trio.run(main)

"""An order: a workflow that is changed, and answers, while it waits.

``@update`` marks a method that runs inside the ``run`` of the same key: it reads and writes the same fields, may use steps and every
other verb, and returns an answer to whoever called it. Its validator refuses what cannot be done any more, and then nothing is
recorded.

    python examples/order.py
    playhead serve examples/order.py       # in another shell:
    playhead send Order/7/run '"1 Old Street"'
    playhead call Order/7/change_address '"2 New Street"'
    playhead call Order/7/pay 40
    playhead call Order/7/run '"1 Old Street"'
    playhead invocations list Order
"""

import tempfile

import trio

import actors
from actors import ConflictError, Workflow, handler, step, update

WEEK = 7 * 24 * 3600.0


@step
async def postage_to(address: str) -> int:
    await trio.sleep(0.1)  # a request to the carrier
    return 3 + len(address) % 3


@step
async def ship(address: str) -> None:
    print(f"  shipped to {address}", flush=True)


def check_address(order: "Order", address: str) -> None:
    if not address:
        raise ValueError("the address is empty")
    if order.paid:
        raise ConflictError(f"the order is paid, and goes to {order.address}", code=actors.errors.ErrorCode.REFUSED)


class Order(Workflow):
    address: str = ""
    paid: int = 0

    @handler
    async def run(self, address: str) -> str:
        self.address = address
        with actors.move_on_after(WEEK):
            await actors.signal("paid")
            await ship(self.address)
            return f"sent to {self.address}"
        return "not paid in time"

    @update(validate=check_address)
    async def change_address(self, address: str) -> int:
        postage = await postage_to(address)
        self.address = address
        return postage

    @update
    async def pay(self, amount: int) -> str:
        self.paid += amount
        await actors.invocation(actors.current_invocation()).signal("paid")  # an update is part of its run
        return f"{self.paid} paid, thank you"


async def main() -> None:
    with tempfile.TemporaryDirectory() as data:
        async with actors.open_runtime(Order, path=data) as runtime:
            order = runtime.client.workflow(Order, "7")
            run = await order.run.send("1 Old Street")
            print("postage:", await order.change_address("2 New Street"))
            try:
                await order.change_address("")
            except actors.InvalidArgumentError as error:
                print("refused:", error)
            print(await order.pay(40))
            print(await run.result())


if __name__ == "__main__":
    trio.run(main)

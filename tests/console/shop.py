"""A shop on a bad night, for tests and pictures of the console: orders that wait, a payment provider that fails, an assistant."""

from __future__ import annotations

import attrs
import trio

import actors
from actors import Actor, Service, Workflow, handler, shared, step

SOON = actors.RetryPolicy(initial_delay=0.05, max_attempts=4)
BRIEF = actors.RetryPolicy(initial_delay=0.05, max_attempts=3)
PATIENT = actors.RetryPolicy(initial_delay=900.0, max_delay=3600.0)


class ProviderDown(Exception):
    pass


class OutOfStock(actors.TerminalError):
    pass


@attrs.frozen
class Line:
    article: str
    count: int
    price: float


@attrs.frozen
class Approval:
    approved: bool
    by: str
    note: str = ""


@step
async def reserve(article: str, count: int) -> str:
    await trio.sleep(0.02)
    if article == "unicorn":
        raise OutOfStock(f"there are no more of {article}")
    return f"reserved {count} of {article}"


@step(retry=SOON)
async def quote_shipping(city: str) -> float:
    await trio.sleep(0.03)
    _FAILED[city] = _FAILED.get(city, 0) + 1
    if _FAILED[city] < 3:
        raise ProviderDown(f"the carrier does not answer for {city}, {_FAILED[city]}")
    return 4.5


_FAILED: dict[str, int] = {}


@step(retry=PATIENT)
async def charge(order: str, amount: float) -> str:
    await trio.sleep(0.04)
    if order.endswith("3"):
        raise ProviderDown("payments.example: 503, no healthy upstream")
    return f"paid {amount:.2f}"


class MailboxFull(Exception):
    pass


@step(retry=BRIEF)
async def send_receipt(order: str) -> None:
    await trio.sleep(0.01)
    if order.endswith("7"):
        raise MailboxFull(f"552 the mailbox of order {order} is over its quota")


@step
async def write_word(word: str) -> str:
    await trio.sleep(0.01)
    actors.emit(word + " ")
    return word


class Payment(Service):
    """Takes money."""

    @handler
    async def take(self, order: str, amount: float) -> str:
        return await charge(order, amount)


class Order(Workflow):
    """From the basket to the door."""

    state: str = "new"
    total: float = 0.0

    @handler
    async def run(self, lines: list[Line], city: str) -> str:
        async with actors.open_nursery() as nursery:
            for line in lines:
                nursery.start_soon(self._reserve, line)
        self.total = sum(line.count * line.price for line in lines) + await quote_shipping(city)
        self.state = "reserved"
        if self.total > 450:
            approval = await actors.signal("approval", Approval)
            if not approval.approved:
                self.state = "declined"
                return f"declined by {approval.by}"
        paid = await actors.service(Payment).take(self.key, self.total)
        self.state = "paid"
        await actors.sleep(0.05)
        await send_receipt(self.key)
        return paid

    async def _reserve(self, line: Line) -> None:
        await reserve(line.article, line.count)

    @shared
    async def status(self) -> str:
        """Where it stands."""
        return self.state


class Assistant(Service):
    """Answers, word by word."""

    @handler
    async def answer(self, question: str) -> str:
        words = [await write_word(word) for word in f"You asked {question} and the answer takes a while".split()]
        return " ".join(words)


class Basket(Actor):
    """What somebody means to buy."""

    articles: dict[str, int] = actors.field(factory=dict)

    @handler
    async def put(self, article: str, count: int) -> int:
        self.articles[article] = self.articles.get(article, 0) + count
        return self.articles[article]


CLASSES = (Order, Payment, Assistant, Basket)


async def fill(client: actors.Client) -> dict[str, str]:
    """A night's worth; ids of some that are worth a look."""
    found: dict[str, str] = {}
    for number in range(24):
        lines = [Line("lamp", 1 + number % 3, 19.5), Line("chair", 2, 45.0 + 40 * (number % 5))]
        if number % 8 == 5:
            lines.append(Line("unicorn", 1, 999.0))
        name = f"2026-{1000 + number}"
        sent = await client.workflow(Order, name).run.send(lines, f"city-{number % 6}")
        found[name] = sent.id
    for number in range(12):
        await client.actor(Basket, f"visitor {number}").put.send("lamp", 1 + number % 4)
    question = await client.service(Assistant).answer.send("why the sky is blue")
    await client.invocation(question.id).result()
    found["assistant"] = question.id
    return found

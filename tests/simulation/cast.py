"""The classes that a storm is played with.

A program is JSON: a list of nodes, each a verb and what it is given. A node's ``path`` names its place in the program, the same at
every replay and in every restart of it.

This is also the source of deployments (``tests.simulation.versions``), which differ in ``VERSION``, and some in ``WAY``.
"""

from __future__ import annotations

import re
from typing import Any

import trio

import actors
from actors import Actor, CancelledError, RetryPolicy, Service, Workflow, handler, shared, step
from actors.types import SignedLink
from tests.simulation.world import BRIEF_SECONDS, RICH, STAGE

VERSION = 0
WAY = ""

Node = list[Any]

QUESTION = "q"
"""The name of each question."""

CHOICES = {"yes": "it may", "no": "it may not"}

SPOKEN = ("a", "b", "a")
"""The streams of the pieces that a step emits, in their order."""

POKE_SECONDS = 0.6
"""The delay of a message that a work sends under a debounce key."""


def as_done(program: list[Node], way: str) -> list[Node]:
    """The program as a work of a deployment of this way goes through it: what it records fits no other way."""
    match way:
        case "another order":
            return [*program[1:], *program[:1]]
        case "a step less":
            return program[1:]
        case "a step more":
            return [["once", 0.0], *program]
        case "a step more later":
            return [*program[:1], ["once", 0.0], *program[1:]]
        case "other arguments":
            return [[node[0], node[1] + 1.0, *node[2:]] if node[0] == "step" else node for node in program]
        case _:
            return program


class Flop(Exception):
    """A step fails, and may be tried again."""


def _step_in_histories() -> str:
    """The running step as histories name it."""
    return re.sub(r"-[0-9a-f]+/", "/", actors.step_key())


async def _act(seconds: float, unwind: float) -> int:
    key = _step_in_histories()
    times = STAGE.world.begin(key)
    try:
        await trio.sleep(seconds)
    except trio.Cancelled:
        with trio.CancelScope(shield=True):
            await trio.sleep(unwind)
        raise
    finally:
        STAGE.world.end(key)
    return times


@step(retry=RetryPolicy(max_attempts=2, initial_delay=0.2, max_delay=1.0))
async def act(seconds: float, unwind: float, flops: int) -> int:
    times = await _act(seconds, unwind)
    if times <= flops:
        raise Flop
    return times


@step(retry=RetryPolicy(max_attempts=2, initial_delay=0.2, max_delay=1.0))
async def buy(seconds: float, tokens: int, flops: int) -> int:
    """Spend tokens, which count whether the step succeeds or not."""
    actors.spend(tokens=tokens)
    times = await _act(seconds, 0.0)
    if times <= flops:
        raise Flop
    return times


@step
async def undo() -> int:
    return await _act(0.1, 0.0)


@step(at_most_once=True)
async def act_once(seconds: float) -> int:
    return await _act(seconds, 0.0)


@step(retry=RetryPolicy(max_attempts=2, initial_delay=0.2, max_delay=1.0))
async def load(rows: int, each: float, fails_at: int) -> int:
    """Go on where the try before was; fail after one of the rows."""
    key, begin = _step_in_histories(), actors.last_heartbeat() or 0
    STAGE.world.begin(key)
    STAGE.world.hear(key, begin, "begin")
    try:
        for row in range(begin + 1, rows + 1):
            await trio.sleep(each)
            actors.heartbeat(row)
            STAGE.world.hear(key, row)
            if row == fails_at:
                raise Flop
    finally:
        STAGE.world.end(key)
    return begin


@step(retry=RetryPolicy(max_attempts=2, initial_delay=0.2, max_delay=1.0))
async def talk(seconds: float, flops: int, number: int) -> list[Any]:
    """Emit three pieces into two streams, each with the number of this run of the body."""
    key = _step_in_histories()
    times = STAGE.world.begin(key)
    try:
        for at, stream in enumerate(SPOKEN):
            actors.emit([number, times, at], stream=stream)
            await trio.sleep(seconds / 2 if at < 2 else 0.0)
        if times <= flops:
            raise Flop
    finally:
        STAGE.world.end(key)
    return [number, times]


@step
async def post(link: SignedLink) -> None:
    STAGE.world.post(link.question, link.url)


class Account(Actor):
    """``seen`` are the numbers of the works that went through. ``left`` and ``right`` change together, or not."""

    seen: list[int] = actors.field(factory=list)
    left: int = 0
    right: int = 0
    label: int = 0
    balance: int = RICH
    deposits: actors.Map[str, int]
    lines: actors.Log[int]

    @handler
    async def work(self, number: int, program: list[Node]) -> int:
        """Do what the program says. The number of works that have gone through, with this one."""
        try:
            for at, node in enumerate(as_done(program, WAY)):
                await self._do(node, str(at))
            await actors.sleep(1.0)
        except CancelledError:
            await undo()
            raise
        self.seen.append(number)
        return len(self.seen)

    @handler(atomic=True)
    async def move(self, number: int, seconds: float) -> None:
        self.left = number
        await act(seconds, 0.0, 0)
        self.right = number

    @shared
    async def read(self) -> list[int]:
        return [self.left, self.right, len(self.seen)]

    @shared
    async def all_lines(self) -> tuple[int, list[int]]:
        return len(self.lines), [*self.lines]

    @handler
    async def pay(self, to: str, amount: int, number: int) -> int:
        """Move money, or move none: what was taken is given back where the other side did not get it."""
        if self.balance < amount:
            raise actors.TerminalError("not enough")
        self.balance -= amount
        try:
            await actors.actor(Account, to).receive(amount, str(number))
        except (CancelledError, actors.TerminalError):
            with actors.CancelScope(shield=True):
                await actors.actor(Vault, to).give_up.send(amount, str(number))
            self.balance += amount
            raise
        return self.balance

    @handler
    async def receive(self, amount: int, number: str) -> int:
        """Take money once, unless it has been given up."""
        if self.deposits.get(number) is None:
            self.deposits[number] = amount
            self.balance += amount
        return self.balance

    @handler
    async def take_back(self, amount: int, number: str) -> None:
        """Undo a deposit that was made, or keep it from being made."""
        if self.deposits.get(number):
            self.balance -= amount
        self.deposits[number] = 0

    @handler(retention=BRIEF_SECONDS)
    async def forget_me(self, number: int) -> int:
        return number

    @handler
    async def all_of_it(self) -> list[Any]:
        return [self.seen, self.balance, [*self.lines], self.label, self.left, self.right]

    async def _do(self, node: Node, path: str) -> None:
        await getattr(self, f"_{node[0]}")(path, *node[1:])

    def _got(self, path: str, value: Any) -> None:
        STAGE.world.give(actors.current_invocation(), path, value, VERSION)

    async def _step(self, path: str, seconds: float, unwind: float, flops: int) -> None:
        self._got(path, await act(seconds, unwind, flops))

    async def _once(self, path: str, seconds: float) -> None:
        try:
            self._got(path, await act_once(seconds))
        except actors.errors.StepOutcomeUnknownError:
            self._got(path, "unknown")

    async def _sleep(self, path: str, seconds: float) -> None:
        await actors.sleep(seconds)
        self._got(path, actors.current_time())

    async def _wait(self, path: str, name: str) -> None:
        try:
            self._got(path, await actors.signal(name, list))
        except actors.SignalFailedError as error:
            self._got(path, [str(error), error.details])

    async def _question(self, path: str, seconds: float, pause: float) -> None:
        question = await actors.ask(QUESTION, CHOICES, text="May it go on?", valid_for=None)
        await post(question.link)
        await actors.sleep(pause)  # meanwhile the link works already
        with actors.move_on_after(seconds):
            self._got(path, [question.link.question, await question.answer()])

    async def _deadline(self, path: str, seconds: float, node: Node) -> None:
        with actors.move_on_after(seconds) as scope:
            await self._do(node, f"{path}.0")
        self._got(path, scope.cancelled_caught)

    async def _shield(self, path: str, node: Node) -> None:
        with actors.CancelScope(shield=True):
            await self._do(node, f"{path}.0")

    async def _nursery(self, path: str, nodes: list[Node]) -> None:
        async with actors.open_nursery() as nursery:
            for at, node in enumerate(nodes):
                nursery.start_soon(self._do, node, f"{path}.{at}")

    async def _call(self, path: str, key: str, number: int) -> None:
        if key > self.key:  # in one direction only, so that no two wait for each other
            self._got(path, await actors.actor(Account, key).work(number, [["step", 0.2, 0.1, 0]]))

    async def _send(self, path: str, key: str, number: int) -> None:
        await actors.actor(Account, key).work.send(number, [])

    async def _add(self, path: str, key: str, number: int) -> None:
        self._got(path, await actors.actor(Tally, key).add(number))

    async def _tell(self, path: str, key: str, number: int) -> None:
        await actors.actor(Tally, key).add.send(number)

    async def _spread(self, path: str, key: str, numbers: list[int]) -> None:
        async with actors.open_nursery() as nursery:
            for at, number in enumerate(numbers):
                nursery.start_soon(self._add, f"{path}.{at}", key, number)

    async def _line(self, path: str, number: int) -> None:
        self.lines.append(number)

    async def _chance(self, path: str) -> None:
        self._got(path, actors.random().random())

    async def _cancel(self, path: str, of: actors.InvocationId) -> None:
        try:
            await actors.invocation(of).cancel()
        except actors.RefusedError:
            return

    async def _join(self, path: str, of: actors.InvocationId) -> None:
        try:
            with actors.move_on_after(5.0):
                self._got(path, repr(await actors.invocation(of).result()))
        except (actors.TerminalError, actors.RefusedError) as error:
            self._got(path, type(error).__name__)

    async def _emit(self, path: str, value: int) -> None:
        actors.emit([path, value])

    async def _say(self, path: str, stream: str, value: int) -> None:
        actors.emit([path, value], stream=stream)

    async def _talk(self, path: str, seconds: float, flops: int, number: int) -> None:
        self._got(path, await talk(seconds, flops, number))

    async def _load(self, path: str, rows: int, each: float, fails_at: int) -> None:
        self._got(path, await load(rows, each, fails_at))

    async def _spend(self, path: str, tokens: int) -> None:
        actors.spend(tokens=tokens)

    async def _buy(self, path: str, seconds: float, tokens: int, flops: int) -> None:
        self._got(path, await buy(seconds, tokens, flops))

    async def _note(self, path: str, key: str, number: int) -> None:
        await actors.actor(Notebook, key).write.send(number, 0.0)

    async def _poke(self, path: str, key: str, number: int) -> None:
        add = actors.actor(Tally, key).add.options(delay=POKE_SECONDS, debounce="p")
        try:
            self._got(path, await (await add.send(number)).result())
        except (actors.TerminalError, actors.RefusedError) as error:
            self._got(path, type(error).__name__)


class Tally(Actor):
    """The sum of the numbers that were added, and how many. No field has a factory, and most handlers end in their first turn, so
    that an invocation of a free tally may be recorded as a whole."""

    count: int = 0
    total: int = 0
    label: int = 0

    @handler
    async def add(self, number: int) -> list[int]:
        """Add a number. What the tally is then."""
        STAGE.world.turn(actors.current_invocation())
        return self._added(number)

    @handler
    async def look(self, number: int) -> list[int]:
        """What the tally is; the number is that of the look."""
        STAGE.world.turn(actors.current_invocation())
        return [self.count, self.total, self.label]

    @handler
    async def weigh(self, number: int, seconds: float) -> list[int]:
        """Add a number after a step, which takes a while to stop."""
        await act(seconds, 0.3, 0)
        return self._added(number)

    def _added(self, number: int) -> list[int]:
        self.count += 1
        self.total += number
        return [self.count, self.total, self.label]


class Notebook(Actor):
    """Each number that was written is in all of its fields. Clients delete it, and a later number begins a new one."""

    seen: list[int] = actors.field(factory=list)
    lines: actors.Log[int]
    items: actors.Map[str, int]

    @handler
    async def write(self, number: int, seconds: float) -> list[list[int]]:
        """Write a number, perhaps after a step. What the notebook has then."""
        if seconds:
            await act(seconds, 0.0, 0)
        STAGE.world.turn(actors.current_invocation())
        self.seen.append(number)
        self.lines.append(number)
        self.items[str(number)] = number
        actors.emit(number)
        return self._content()

    @handler
    async def read(self) -> list[list[int]]:
        return self._content()

    def _content(self) -> list[list[int]]:
        return [[*self.seen], [*self.lines], [*self.items.values()]]


class Vault(Actor):
    """Takes money back from an account, in a mailbox of its own, so that nobody who holds a key waits for it."""

    @handler
    async def give_up(self, amount: int, number: str) -> None:
        await actors.actor(Account, self.key).take_back(amount, number)


class Errands(Service):
    """Work without a key."""

    @handler
    async def run(self, number: int, seconds: float) -> int:
        await act(seconds, 0.0, 0)
        await actors.sleep(0.5)
        return number


class Bell(Service):
    """Is rung by schedules."""

    @handler
    async def ring(self, at: float, name: str, seconds: float) -> float:
        STAGE.world.turn(actors.current_invocation())
        if seconds:
            await act(seconds, 0.0, 0)
        return at


class Claim(Workflow):
    """Runs once for each key."""

    @handler
    async def run(self, number: int) -> int:
        await act(0.3, 0.0, 1)
        return number


CAST = (Account, Tally, Notebook, Vault, Errands, Bell, Claim)

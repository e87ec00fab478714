"""Clients that change the runs of orders by updates, and spend their budgets, and the laws of these (``tests.simulation.test_updates``)."""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import trio

import actors
from actors import CancelledError, RetryPolicy, Service, Workflow, handler, step, update
from journal import events as e
from journal.events import OutcomeKind
from journal.ids import stream_of
from tests.simulation.cast import Flop, _act
from tests.simulation.disk import Weather
from tests.simulation.heard import Told
from tests.simulation.plan import Deed, Life, Plan
from tests.simulation.world import BRIEF_SECONDS

if TYPE_CHECKING:
    from actors import InvocationHandle
    from actors.runtime import Runtime
    from journal.ids import InvocationId, StreamId
    from tests.simulation.lives import Life as InvocationLife
    from tests.simulation.storm import Storm

KEYS = "ab"
TOKENS = "tokens"
BUDGET = 30
PRICE = 10
"""What the dearest step of a run spends."""

ENOUGH = 10_000
ANSWER_SECONDS = 3.0


@step(retry=RetryPolicy(max_attempts=2, initial_delay=0.2, max_delay=1.0))
async def pack(seconds: float, tokens: int, flops: int) -> int:
    if tokens:
        actors.spend(tokens=tokens)
    times = await _act(seconds, 0.0)
    if times <= flops:
        raise Flop
    return times


def check_number(order: Order, number: int, seconds: float, tokens: int, flops: int) -> None:
    if number < 0:
        raise ValueError(f"{number} is less than 0")
    if number in order.added:
        raise ValueError(f"{number} is there")


class Order(Workflow):
    added: list[int] = actors.field(factory=list)

    @handler
    async def run(self, tokens: int) -> list[int]:
        await pack(0.1, tokens, 0)
        await actors.signal("s", list)
        await pack(0.1, tokens, 0)
        return self.added

    @update(validate=check_number)
    async def add(self, number: int, seconds: float, tokens: int, flops: int) -> int:
        await pack(seconds, tokens, flops)
        self.added.append(number)
        await actors.sleep(0.1)
        return number

    @update
    async def wait(self) -> str:
        try:
            await actors.signal("t", list)
        except CancelledError:
            await actors.sleep(1.0)
            raise
        return "told"


class Brief(Service):
    @handler(retention=BRIEF_SECONDS)
    async def run(self) -> None: ...


@attrs.define(eq=False)
class Asked:
    """An update that a client asked for, and what it was answered."""

    key: str
    number: int
    answer: int | None = None
    is_refused: bool = False


class Orders:
    """What clients ask of orders (:class:`tests.simulation.storm.Company`)."""

    classes: tuple[type, ...] = (Order, Brief)
    honest = frozenset({"Order", "Brief"})
    keys = KEYS

    def __init__(self, storm: Storm) -> None:
        self.storm = storm
        self.asked: list[Asked] = []
        self.budgeted: set[InvocationId] = set()

    def stream_of(self, key: str) -> StreamId:
        return stream_of(Order.__name__, key)

    async def brief(self) -> InvocationHandle[Any]:
        handle: InvocationHandle[Any] = await self.storm.client.service(Brief).run.send()
        await handle.result()
        return handle

    # Deeds.

    async def start(self, key: str, tokens: int, budget: int | None) -> None:
        run = self.storm.client.workflow(Order, key).run
        run = run if budget is None else run.options(budget={TOKENS: budget})
        handle = await run.send(tokens)
        self.storm.told.append(Told(handle.id, "run", 0))

    async def add(self, key: str, number: int, seconds: float, tokens: int, flops: int) -> None:
        asked = Asked(key, number)
        self.asked.append(asked)
        with trio.move_on_after(ANSWER_SECONDS):
            try:
                asked.answer = await self.storm.client.workflow(Order, key).add(number, seconds, tokens, flops)
            except actors.InvalidArgumentError:
                asked.is_refused = True

    async def send(self, key: str, number: int) -> None:
        handle = await self.storm.client.workflow(Order, key).wait.send()
        self.storm.told.append(Told(handle.id, "wait", number, is_loose=False))

    async def check(self, at: int) -> None:
        told = self.storm.told[-8:]
        if told:
            await self.storm.client.invocation(told[at % len(told)].id).check()

    async def raise_budget(self, at: int) -> None:
        told = [one for one in self.storm.told if one.kind == "run"]
        if told:
            await self.storm.client.invocation(told[at % len(told)].id).resume(budget={TOKENS: BUDGET})

    async def relax(self) -> None:
        """Let runs that have used up their budgets go on."""
        for one in {told.id for told in self.storm.told}:
            try:
                info = await self.storm.client.invocation(one).info()
                if info.budget is not None:
                    await self.storm.client.invocation(one).resume(budget={TOKENS: ENOUGH})
            except actors.RefusedError:
                continue

    # Laws.

    async def judge(self, runtime: Runtime, lives: dict[InvocationId, InvocationLife]) -> None:
        accepted: Counter[InvocationId] = Counter()
        answered: dict[InvocationId, list[e.UpdateCompleted]] = {}
        for life in lives.values():
            own = [r.event for r, _ in life.own]
            ids = [event.update for event in own if isinstance(event, e.UpdateAccepted)]
            accepted.update(ids)
            ends = [event for event in own if isinstance(event, e.UpdateCompleted)]
            for event in ends:
                answered.setdefault(event.update, []).append(event)
            twice = [of for of, count in Counter(event.update for event in ends).items() if count > 1]
            self.storm.law("a run answers an update once", not twice, f"{life.id}: {twice}")
            self._check_budget(life)
        for life in lives.values():
            if life.accepted.handler in ("add", "wait"):
                self._check_update(life, answered.get(life.id, []), accepted[life.id])
        self._check_asked(lives)

    def _check_update(self, life: InvocationLife, answers: list[e.UpdateCompleted], accepted: int) -> None:
        law, outcome = self.storm.law, life.outcome
        law("an update is given to its run", accepted > 0, life.id)
        has_attempts = bool(life.of(e.AttemptFailed) or life.of(e.StepScheduled) or life.of(e.InvocationPaused))
        law("its run carries an update out", not has_attempts, life.id)
        if outcome is None:
            return
        if outcome.kind is OutcomeKind.SUCCEEDED:
            values = [answer.outcome.value for answer in answers]
            law("an update has the answer of its run", outcome.value in values, f"{life.id}: {outcome}, {values}")
        cancelled = [
            life.id for said in self.storm.said if said.verb == "cancel" and said.of == life.id and said.changed
        ]
        if cancelled and life.accepted.handler == "wait":
            law("a cancel of an update arrives", outcome.kind is not OutcomeKind.SUCCEEDED, life.id)

    def _check_asked(self, lives: dict[InvocationId, InvocationLife]) -> None:
        """What a client was answered is recorded, once; what was refused has left no trace."""
        law = self.storm.law
        found: dict[int, list[InvocationLife]] = {}
        for life in lives.values():
            if life.accepted.handler == "add":
                found.setdefault(msgspec.json.decode(life.accepted.argument)["number"], []).append(life)
        below = [number for number in found if number < 0]
        law("a refusal of a validator leaves no trace", not below, f"{below}")
        for one in self.asked:
            if one.is_refused and sum(other.number == one.number for other in self.asked) == 1:
                law("a refusal of a validator leaves no trace", one.number not in found, f"{one}")
            if one.answer is not None:
                done = [life for life in found.get(one.number, []) if life.is_done]
                law("an answered update is recorded", len(done) == 1 or self.storm.has_restarted, f"{one}: {done}")
        for life in lives.values():
            if (
                life.service == Order.__name__
                and life.accepted.handler == "run"
                and life.is_done
                and not self.storm.has_restarted
                and life.outcome
            ):
                added = msgspec.json.decode(life.outcome.value)
                law("an update is carried out once", len(added) == len({*added}), f"{life.id}: {added}")
                missing = [
                    number
                    for number, same in found.items()
                    if any(one.is_done and one.key == life.key for one in same) and number not in added
                ]
                law("an answered update is in its run", not missing, f"{life.id}: {missing} of {added}")

    def _check_budget(self, life: InvocationLife) -> None:
        """A run spends its own budget, and at most what is under way when that is used up."""
        budget = life.accepted.budget
        if budget is None or life.accepted.restarts is not None:
            return
        most, spent, running = float(budget[TOKENS]), 0, 0
        for recorded, _ in life.own:
            match recorded.event:
                case e.BudgetRaised():
                    most += float(recorded.event.more[TOKENS])
                case e.StepScheduled():
                    running += 1
                    self.storm.law("what is used up lets no step begin", spent < most, f"{life.id}: {spent} of {most}")
                case e.StepCompleted() | e.StepAborted():
                    running -= 1
                case e.QuantitiesSpent(spent=amounts):
                    spent += int(amounts[TOKENS])
                    is_so = spent < most + PRICE * (running + 1)
                    self.storm.law(
                        "own spending stays within the budget and its steps", is_so, f"{life.id}: {spent} of {most}"
                    )
                case _:
                    pass


def draw_of_updates(seed: int) -> Plan:
    """A storm of updates: processes that die, clients that steer, and a disk that may fail."""
    random = Random(f"updates {seed}")
    numbers = iter(range(1, 1_000))
    verbs = random.sample(["cancel", "kill", "pause", "pause now", "resume", "signal", "restart"], random.randint(1, 4))
    budget = random.choice([None, None, BUDGET])

    def deed(at: float) -> Deed:
        key, number = random.choice(KEYS), next(numbers)
        add = [key, number, random.choice([0.0, 0.1, 0.8]), random.choice([0, PRICE]), random.choice([0, 0, 1])]
        deeds = {
            "add": add,
            "send": [key, number],
            "start": [key, random.choice([0, PRICE]), budget],
            "steer": _steer(random, random.choice(verbs), next(numbers)),
            "check": [random.randint(0, 7)],
            "raise budget": [random.randint(0, 3)],
            "job": [random.choice(["pause", "cancel", "resume"]), random.randint(1, 4), next(numbers)],
            "gate": [random.choice(["close", "open"]), "service:Order", random.choice(["drain", "now"])],
        }
        what = random.choices([*deeds], [6, 3, 1, 5, 1, 1, 1, 0.5])[0]
        given = deeds[what]
        if what == "add" and random.random() < 0.15:
            given = [key, -number, *add[2:]]
        dies = random.choice(["before", "after"]) if random.random() < 0.12 else ""
        return Deed(at=at, what=what, given=given, dies=dies)

    def life(*, first: bool) -> Life:
        seconds = round(random.uniform(0.5, 4.0), 2)
        deeds = [Deed(at=0.02, what="start", given=[key, random.choice([0, PRICE]), budget]) for key in KEYS if first]
        times = sorted(round(random.uniform(0.05, seconds), 2) for _ in range(random.randint(3, 7)))
        fates = {random.randint(2, 30): random.choice(["kept", "lost", "refused"])} if random.random() < 0.3 else {}
        weather = Weather(latency=random.choice([0.0, 0.02]), fates=fates)
        return Life(seconds=seconds, deeds=[*deeds, *map(deed, times)], weather=weather)

    limits = {"unload_after_seconds": random.choice([0.2, 60.0]), "idle_objects": random.choice([1, 100])}
    lives = [life(first=at == 0) for at in range(random.choice([1, 2, 3]))]
    return Plan(seed=seed, limits=limits, lives=lives, survives=random.random() < 0.3)


def _steer(random: Random, verb: str, number: int) -> list[Any]:
    options: dict[str, dict[str, Any]] = {
        "cancel": {"kill_after": None},
        "signal": {"name": random.choice("st"), "number": number},
        "restart": {
            "step": random.choice([0.0, 0.5, 0.9, ""]),
            "stop": "kill",
            "rewind_state": False,
            "input": False,
        },
    }
    status = random.choice(["running", "suspended", "suspended", "paused", "completed"])
    return [verb, status, random.randint(0, 7), options.get(verb, {})]

"""What handlers give to the verbs is checked at the verb: the invocation fails with a named parameter, and nothing else does."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors import Actor, Log, Map, RetryPolicy, Service, handler, step
from actors.values.limits import NEVER
from tests.lab import Lab
from tests.raising import raises
from tests.virtual import EPOCH, on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = on_virtual_time

NOT_UTF8 = "caf\udce9.txt"
"""What ``os.listdir`` gives for the name of a file that is not UTF-8."""


class Text(str):
    """As ``numpy.str_`` is one."""


@step
async def nothing() -> int:
    return 0


@step
async def huge() -> int:
    return 10**5000


@step(retry=RetryPolicy(terminal=ValueError))
async def refuse() -> None:
    raise ValueError("no")


class Wrong(actors.TerminalError):
    """Its type is a name like any other to one who has not read the base class."""

    def __init__(self, kind: Any) -> None:
        super().__init__("x")
        self.type = kind


async def scope(deadline: Any = None, relative: Any = None) -> None:
    with actors.CancelScope(deadline=deadline, relative=relative):
        await actors.sleep(1)


async def moved(deadline: Any) -> None:
    with actors.CancelScope() as scope:
        scope.deadline = deadline
        await actors.sleep(1)


async def block(enter: Callable[[Any], Any], seconds: Any) -> None:
    with enter(seconds):
        await actors.sleep(1)


async def odd(raised: BaseException) -> None:
    raise raised


def target() -> Any:
    return actors.actor(Bystander, "other").add


def other() -> Any:
    return actors.invocation("inv_1" + "0" * 33)


NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "true": True, "text": "5", "huge": 10**400}
VERBS: dict[str, tuple[str, Callable[[Any], Awaitable[Any]]]] = {
    "sleep": ("seconds", actors.sleep),
    "sleep_until": ("at", actors.sleep_until),
    "move_on_after": ("seconds", lambda v: block(actors.move_on_after, v)),
    "fail_after": ("seconds", lambda v: block(actors.fail_after, v)),
    "move_on_at": ("deadline", lambda v: block(actors.move_on_at, v)),
    "fail_at": ("deadline", lambda v: block(actors.fail_at, v)),
    "deadline": ("deadline", lambda v: scope(deadline=v)),
    "moved": ("deadline", moved),
    "relative": ("relative", lambda v: scope(relative=v)),
    "run": ("timeout", lambda v: actors.run(nothing.function, timeout=v)),
    "delay": ("delay", lambda v: target().options(delay=v).send()),
    "timeout": ("timeout", lambda v: target().options(timeout=v)()),
    "valid_for": ("valid_for", lambda v: actors.ask("question", text="What?", valid_for=v)),
    "kill_after": ("kill_after", lambda v: other().cancel(kill_after=v)),
}
TEXTS: dict[str, tuple[str, Callable[[Any], Awaitable[Any]]]] = {
    "step": ("name", lambda v: actors.run(nothing.function, name=v)),
    "signal": ("name", lambda v: actors.signal(v, int)),
    "ask": ("name", lambda v: actors.ask(v, text="What?")),
    "ask text": ("text", lambda v: actors.ask("question", text=v)),
    "patched": ("name", lambda v: _call(actors.patched, v)),
    "sent signal": ("name", lambda v: other().signal(v)),
    "reason": ("reason", lambda v: other().cancel(reason=v)),
    "from_step": ("from_step", lambda v: other().restart(v)),
    "deployment": ("deployment", lambda v: other().resume(deployment=v)),
}
KEYS: dict[str, Callable[[Any], Awaitable[Any]]] = {
    "key": lambda v: actors.actor(Bystander, v).add(),
    "idempotency_key": lambda v: target().options(idempotency_key=v)(),
}


async def _call(function: Callable[[Any], Any], value: Any) -> Any:
    return function(value)


VALUES: dict[str, Any] = {
    "int": 10**5000,
    "text": NOT_UTF8,
    "nan": math.nan,
    "inside": {"a": [10**5000]},
    "key": {NOT_UTF8: 1},
}


class Keeping(Actor):
    """Puts a value wherever one can be kept."""

    plain: Any = None
    log: Log[Any]
    map: Map[str, Any]
    numbers: Map[int, int]

    @handler
    async def field(self, which: str) -> None:
        await nothing()
        self.plain = VALUES[which]

    @handler
    async def item(self, which: str) -> None:
        await nothing()
        self.log.append(VALUES[which])

    @handler
    async def of_a_map(self, which: str) -> None:
        await nothing()
        self.map["a"] = VALUES[which]

    @handler
    async def key_of_a_map(self, which: str) -> None:
        await nothing()
        of_its_type: Any = self.numbers if which == "int" else self.map
        of_its_type[VALUES[which]] = 1

    @handler
    async def result(self, which: str) -> Any:
        await nothing()
        return VALUES[which]

    @handler
    async def output(self, which: str) -> None:
        await nothing()
        actors.emit(VALUES[which])

    @handler
    async def argument(self, which: str) -> Any:
        return await actors.actor(Keeping, "other").take(VALUES[which])

    @handler
    async def sent_signal(self, which: str) -> None:
        await other().signal("go", VALUES[which])

    @handler
    async def input(self, which: str) -> None:
        await other().restart(input=VALUES[which])

    @handler
    async def result_of_a_step(self, which: str) -> None:
        await actors.run(VALUES.__getitem__, which)

    @handler
    async def take(self, value: Any) -> None:
        pass


PLACES = (
    "field",
    "item",
    "of_a_map",
    "key_of_a_map",
    "result",
    "output",
    "argument",
    "sent_signal",
    "input",
    "result_of_a_step",
)


class Giving(Service):
    @handler
    async def number(self, verb: str, value: str) -> None:
        await nothing()
        await VERBS[verb][1](NUMBERS[value])

    @handler
    async def text(self, verb: str) -> None:
        await nothing()
        await TEXTS[verb][1](NOT_UTF8)

    @handler
    async def keys(self, verb: str) -> None:
        await nothing()
        await KEYS[verb](NOT_UTF8)

    @handler
    async def huge_result_of_a_step(self) -> int:
        return await huge()

    @handler
    async def class_as_terminal(self) -> None:
        await refuse()

    @handler(retry=RetryPolicy(terminal=ValueError))
    async def class_as_terminal_of_the_handler(self) -> None:
        raise ValueError("no")

    @handler
    async def cancelled(self) -> None:
        await nothing()
        raise actors.CancelledError(f"no such file: {NOT_UTF8}")

    @handler
    async def error_with_a_type(self, kind: str) -> None:
        await nothing()
        raise Wrong({"class": ValueError, "number": 404, "text": NOT_UTF8, "long": "x" * 100_000}[kind])

    @handler
    async def subclasses_of_str(self) -> str:
        await actors.run(nothing.function, name=Text("named"))
        await actors.actor(Bystander, Text("text")).add.options(idempotency_key=Text("once")).send()
        return str(await actors.signal(Text("go"), str))

    @handler
    async def sleep_in_the_past(self) -> float:
        began = actors.current_time()
        for at in (-1e300, 0, datetime(1900, 1, 1, tzinfo=UTC)):
            await actors.sleep_until(at)
        return actors.current_time() - began

    @handler
    async def sleep_beyond_all_calendars(self) -> None:
        await actors.sleep(timedelta.max)

    @handler
    async def spans(self) -> float:
        began = actors.current_time()
        await actors.sleep(timedelta(minutes=1))
        await actors.sleep_until(datetime.fromtimestamp(EPOCH, UTC) + timedelta(hours=1))
        with actors.move_on_after(timedelta(minutes=1)):
            await actors.signal("never")
        await actors.run(nothing.function, timeout=timedelta(seconds=1))
        await target().options(delay=timedelta(seconds=1)).send()
        return actors.current_time() - began


class Grown(Actor):
    amount: int = 0

    @handler
    async def add(self, amount: int) -> None:
        await nothing()
        self.amount += amount

    @handler
    async def become_huge(self) -> None:
        await nothing()
        self.amount = 10**5000


class Bystander(Actor):
    count: int = 0

    @handler
    async def add(self) -> int:
        self.count += 1
        return self.count


@pytest.fixture
def lab() -> Lab:
    return Lab(Giving, Grown, Keeping, Bystander)


async def stays_well(lab: Lab) -> None:
    """It goes on for others, now and after the next two starts."""
    for _ in range(2):
        async with lab.running() as runtime:
            await trio.sleep(1)
            await runtime.client.actor(Bystander, "b").add()


@pytest.mark.parametrize(
    ("verb", "value"),
    [
        (verb, value)
        for verb in VERBS
        for value in NUMBERS
        if value != "inf" or not (VERBS[verb][0] == "deadline" or verb in ("move_on_after", "fail_after", "relative"))
    ],
)
async def test_a_number_that_is_no_time_is_refused_by_its_parameter(lab: Lab, verb: str, value: str) -> None:
    async with lab.running() as runtime:
        with raises(actors.InvalidArgumentError, path=VERBS[verb][0]):
            await runtime.client.service(Giving).number(verb, value)
    await stays_well(lab)


@pytest.mark.parametrize("verb", TEXTS)
async def test_a_name_that_is_not_utf8_is_refused_by_its_parameter(lab: Lab, verb: str) -> None:
    async with lab.running() as runtime:
        with raises(actors.InvalidArgumentError, path=TEXTS[verb][0]):
            await runtime.client.service(Giving).text(verb)
    await stays_well(lab)


@pytest.mark.parametrize("verb", KEYS)
async def test_a_key_that_is_not_utf8_is_refused(lab: Lab, verb: str) -> None:
    async with lab.running() as runtime:
        with raises(actors.InvalidArgumentError, path=verb):
            await runtime.client.service(Giving).keys(verb)
    await stays_well(lab)


async def test_an_int_that_cannot_be_written_is_refused_where_it_is_kept(lab: Lab) -> None:
    async with lab.running() as runtime:
        with raises(actors.errors.UnserializableError, path="$"):
            await runtime.client.service(Giving).huge_result_of_a_step()
        with raises(actors.errors.UnserializableError, path="amount"):
            await runtime.client.actor(Grown, "a").become_huge()
        with raises(actors.InvalidArgumentError, path="$"):
            await runtime.client.actor(Grown, "a").add(10**5000)
    await stays_well(lab)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("place", PLACES)
async def test_a_value_that_json_cannot_hold_is_refused_wherever_it_is_kept(lab: Lab, place: str, value: str) -> None:
    async with lab.running() as runtime:
        with pytest.raises((actors.errors.UnserializableError, actors.InvalidArgumentError)):
            await getattr(runtime.client.actor(Keeping, "k"), place)(value)
        client = runtime.client
        for give in (
            lambda: client.actor(Keeping, "k").take(VALUES[value]),
            lambda: client.invocation("inv_1" + "0" * 33).signal("go", VALUES[value]),
            lambda: client.object(Keeping, "k").edit(set={"plain": VALUES[value]}),
            lambda: client.object(Keeping, "k").edit(items={"map": {NOT_UTF8: 1}}),
            lambda: client.object(Keeping, "k").edit(clear=[NOT_UTF8]),
        ):
            with pytest.raises((actors.errors.UnserializableError, actors.RefusedError)):
                await give()
    await stays_well(lab)


async def test_the_largest_ints_come_back_equal_until_they_grow_too_long(lab: Lab) -> None:
    largest = int("9" * 4300)
    async with lab.running() as runtime:
        await runtime.client.actor(Grown, "a").add(largest)
        assert (await runtime.client.object(Grown, "a").info()).fields == {"amount": largest}
        with raises(actors.errors.UnserializableError, path="amount"):
            await runtime.client.actor(Grown, "a").add(largest)
    async with lab.running() as runtime:
        assert (await runtime.client.object(Grown, "a").info()).fields == {"amount": largest}
    await stays_well(lab)


async def test_a_policy_takes_one_class_as_terminal(lab: Lab) -> None:
    async with lab.running() as runtime:
        service = runtime.client.service(Giving)
        for call in (service.class_as_terminal, service.class_as_terminal_of_the_handler):
            with pytest.raises(actors.TerminalError) as caught:
                await call()
            assert caught.value.type == "builtins.ValueError"
    await stays_well(lab)


@pytest.mark.parametrize("value", ["no", 1, 0, object()])
def test_a_policy_fails_fast_or_does_not_or_leaves_it_open(value: Any) -> None:
    with pytest.raises(actors.InvalidArgumentError) as refusal:
        RetryPolicy(fail_fast=value)
    assert refusal.value.path == "fail_fast"
    assert [RetryPolicy(fail_fast=known).fail_fast for known in (True, False, None)] == [True, False, None]


def test_a_scope_takes_no_other_attribute_for_its_deadline() -> None:
    for name in ("relative_deadline", "timeout"):
        with pytest.raises(AttributeError):
            setattr(actors.CancelScope(), name, 5)


async def test_a_reason_that_is_not_utf8_is_kept_escaped_when_a_handler_raises_it(lab: Lab) -> None:
    async with lab.running() as runtime:
        with pytest.raises(actors.InvocationCancelledError, match=r"no such file: caf\\udce9.txt"):
            await runtime.client.service(Giving).cancelled()
    await stays_well(lab)


@pytest.mark.parametrize("kind", ["class", "number", "text", "long"])
async def test_an_error_whose_type_is_no_name_is_recorded_as_its_class(lab: Lab, kind: str) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Giving).error_with_a_type.send(kind)
        failure = (await handle.outcome()).failure
        assert failure is not None
        assert failure.type == f"{__name__}.Wrong"
    await stays_well(lab)


async def test_a_subclass_of_str_is_taken_for_its_text(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Giving).subclasses_of_str.send()
        await handle.signal(Text("go"), "gone")
        assert await handle.result() == "gone"
        assert await runtime.client.actor(Bystander, "text").add() == 2
        later = await runtime.client.actor(Bystander, "text").add.options(delay=100).send()
        await later.cancel(reason=Text("text"))
    await stays_well(lab)


async def test_a_date_that_is_over_is_waited_for_no_longer(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Giving).sleep_in_the_past() < 1


async def test_a_sleep_beyond_all_calendars_is_listed_with_a_date(lab: Lab) -> None:
    async with lab.running() as runtime:
        handle = await runtime.client.service(Giving).sleep_beyond_all_calendars.send()
        await trio.sleep(1)
        assert [wait.until for wait in (await handle.info()).waits] == [NEVER]


async def test_timedeltas_and_datetimes_are_taken_for_times(lab: Lab) -> None:
    async with lab.running() as runtime:
        assert await runtime.client.service(Giving).spans() == pytest.approx(3660, abs=60)


async def nap(self: Any) -> None:
    await actors.sleep(1)


nap.__code__ = nap.__code__.replace(co_filename=f"/src/{NOT_UTF8}")


class InAnOddFile(Service):
    nap = handler(nap)


async def test_code_in_a_file_whose_name_is_not_utf8_runs_and_its_lines_are_told() -> None:
    lab = Lab(InAnOddFile, Bystander)
    async with lab.running() as runtime:
        handle = await runtime.client.service(InAnOddFile).nap.send()
        await handle.result()
        sources = [event.details.get("source", "") async for event in handle.events()]
        assert any(source.startswith(r"caf\udce9.txt:") for source in sources)
    await stays_well(lab)


async def test_a_user_whose_name_is_not_utf8_is_named_all_the_same(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", NOT_UTF8)
    await stays_well(lab)
    async with lab.running() as runtime:
        later = await runtime.client.actor(Bystander, "b").add.options(delay=100).send()
        await later.cancel()
        assert [entry.by for entry in (await runtime.client.audit()).entries] == [r"user:caf\udce9.txt"]

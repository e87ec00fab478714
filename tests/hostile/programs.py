"""Random programs of hostile acts: each is JSON, and a handler walks through it, so that its replay does the same again."""

from __future__ import annotations

from typing import Any

import trio
from hypothesis import strategies as st

import actors
from actors import Actor, RetryPolicy, Service, handler, step
from tests.hostile.errors import ERRORS
from tests.hostile.typed import TYPED, give_typed, keep_typed, take_typed
from tests.hostile.values import BODIES, NAMES, NO_POLICIES, NUMBERS, POLICIES, TYPES, VALUES

Act = list[str]
"""A verb, what it is given, and what becomes of what it raises: ``raise``, ``except Exception`` or ``except``."""

QUICK = RetryPolicy(max_attempts=2, initial_delay=0.1)


class Mild(Exception):
    """An error with nothing wrong with it."""


@step(retry=QUICK)
async def raise_in_a_step(error: str) -> None:
    raise ERRORS[error]()


@step(retry=QUICK)
def raise_in_a_thread(error: str) -> None:
    raise ERRORS[error]()


@step(retry=QUICK)
async def answer(value: str) -> Any:
    return VALUES[value]()


@step(retry=QUICK)
async def answer_with_a_number(value: str) -> int:
    return VALUES[value]()  # type: ignore[no-any-return]


@step(retry=QUICK)
async def emit_in_a_step(value: str) -> None:
    actors.emit(VALUES[value]())


@step(retry=QUICK)
async def do(body: str) -> None:
    await BODIES[body]()


async def pause_a_little() -> int:
    await trio.sleep(0.01)
    return 1


async def fail() -> None:
    raise Mild("once more")


class Target(Actor):
    """Is called by others, with anything."""

    @handler(retry=QUICK)
    async def take(self, value: Any = None) -> Any:
        return value

    @handler(retry=QUICK)
    async def wait(self) -> None:
        with actors.move_on_after(5):
            await actors.signal("go")


class Walker(Actor):
    """Walks through a program."""

    number: int = 0
    text: str = ""
    anything: Any = None
    items: list[Any] = actors.field(factory=list)
    lines: actors.Log[Any]
    marks: actors.Map[str, Any]

    @handler(retry=QUICK)
    async def walk(self, program: list[Act]) -> Any:
        result: Any = None
        for verb, given, otherwise in program:
            try:
                result = await getattr(self, f"_{verb}")(given)
            except Exception:
                if otherwise == "raise":
                    raise
            except BaseException:
                if otherwise != "except":
                    raise
        return result

    async def _raise(self, error: str) -> None:
        raise ERRORS[error]()

    async def _raise_in_a_child(self, error: str) -> None:
        async with actors.open_nursery() as nursery:
            nursery.start_soon(self._raise, error)
            nursery.start_soon(actors.sleep, 1)

    async def _raise_while_cancelled(self, error: str) -> None:
        with actors.move_on_after(0.05):
            try:
                await actors.sleep(1)
            finally:
                await self._raise(error)

    async def _raise_in_a_step(self, error: str) -> None:
        await raise_in_a_step(error)

    async def _raise_in_a_thread(self, error: str) -> None:
        await raise_in_a_thread(error)

    async def _return(self, value: str) -> Any:
        return VALUES[value]()

    async def _answer(self, value: str) -> Any:
        return await answer(value)

    async def _answer_with_a_number(self, value: str) -> Any:
        return await answer_with_a_number(value)

    async def _argument(self, value: str) -> None:
        await actors.run(_ignore, VALUES[value]())

    async def _emit(self, value: str) -> None:
        actors.emit(VALUES[value]())

    async def _emit_in_a_step(self, value: str) -> None:
        await emit_in_a_step(value)

    async def _number(self, value: str) -> None:
        self.number = VALUES[value]()
        await actors.sleep(0.01)

    async def _text(self, value: str) -> None:
        self.text = VALUES[value]()

    async def _anything(self, value: str) -> None:
        self.anything = VALUES[value]()
        await actors.sleep(0.01)

    async def _item(self, value: str) -> None:
        self.items.append(VALUES[value]())

    async def _line(self, value: str) -> None:
        self.lines.append(VALUES[value]())

    async def _mark(self, value: str) -> None:
        self.marks["a"] = VALUES[value]()

    async def _mark_under(self, name: str) -> None:
        self.marks[NAMES[name]()] = 1

    async def _sleep(self, number: str) -> None:
        await actors.sleep(NUMBERS[number]())

    async def _sleep_until(self, number: str) -> None:
        await actors.sleep_until(NUMBERS[number]())

    async def _deadline(self, number: str) -> None:
        with actors.CancelScope(deadline=NUMBERS[number]()):
            await actors.sleep(0.01)

    async def _move_on_after(self, number: str) -> None:
        with actors.move_on_after(NUMBERS[number]()):
            await actors.sleep(0.01)

    async def _fail_after(self, number: str) -> None:
        with actors.fail_after(NUMBERS[number]()):
            await actors.sleep(0.01)

    async def _signal(self, name: str) -> None:
        with actors.move_on_after(0.2):
            await actors.signal(NAMES[name](), int)

    async def _signal_of_type(self, kind: str) -> Any:
        with actors.move_on_after(0.2):
            await actors.invocation(actors.current_invocation()).signal("go", 1)
            return await actors.signal("go", TYPES[kind]())

    async def _patched(self, name: str) -> bool:
        return actors.patched(NAMES[name]())

    async def _step_name(self, name: str) -> None:
        await actors.run(pause_a_little, name=NAMES[name]())

    async def _step_policy(self, policy: str) -> None:
        await actors.run(fail, retry=POLICIES[policy])

    async def _step_without_policy(self, policy: str) -> None:
        await actors.run(fail, retry=NO_POLICIES[policy]())

    async def _step_timeout(self, number: str) -> None:
        await actors.run(pause_a_little, timeout=NUMBERS[number]())

    async def _step_type(self, kind: str) -> Any:
        return await actors.run(pause_a_little, result_type=TYPES[kind]())

    async def _step_body(self, body: str) -> None:
        await do(body)

    async def _step_function(self, value: str) -> Any:
        return await actors.run(VALUES[value]())

    async def _call(self, value: str) -> Any:
        return await actors.actor(Target, "t").take(VALUES[value]())

    async def _call_under(self, name: str) -> Any:
        return await actors.actor(Target, NAMES[name]()).take(1)

    async def _call_within(self, number: str) -> None:
        await actors.actor(Target, "w").wait.options(timeout=NUMBERS[number]())()

    async def _send(self, value: str) -> None:
        await actors.actor(Target, "t").take.send(VALUES[value]())

    async def _send_later(self, number: str) -> None:
        await actors.actor(Target, "t").take.options(delay=NUMBERS[number]()).send(1)

    async def _send_once(self, name: str) -> None:
        await actors.actor(Target, "t").take.options(idempotency_key=NAMES[name]()).send(1)

    async def _cancel_because(self, name: str) -> None:
        handle = await actors.actor(Target, "c").wait.send()
        await handle.cancel(reason=NAMES[name]())

    async def _cancel_within(self, number: str) -> None:
        handle = await actors.actor(Target, "c").wait.send()
        await handle.cancel(kill_after=NUMBERS[number]())

    async def _pause_because(self, name: str) -> None:
        handle = await actors.actor(Target, "p").wait.send()
        await handle.pause(reason=NAMES[name]())
        await handle.kill(reason=NAMES[name]())

    async def _signal_to(self, name: str) -> None:
        await actors.invocation(actors.current_invocation()).signal(NAMES[name](), 1)

    async def _signal_with(self, value: str) -> None:
        await actors.invocation(actors.current_invocation()).signal("go", VALUES[value]())

    async def _invocation(self, name: str) -> None:
        await actors.invocation(NAMES[name]()).result()

    async def _give_typed(self, which: str) -> None:
        await give_typed(which)

    async def _take_typed(self, which: str) -> None:
        await take_typed(which)

    async def _keep_typed(self, which: str) -> None:
        await keep_typed(which)


async def _ignore(_: Any) -> None:
    """A step that has no use for what it is given."""


async def _fail_when_cancelled() -> None:
    try:
        await actors.sleep(60)
    finally:
        if not actors.suspending():
            raise Mild("once more")


def _handler_under(policy: str) -> Any:
    async def walk(self: Any, how: str) -> None:
        await actors.sleep(0.01)
        if how == "in a step":
            await actors.run(fail)
        if how == "in a nursery":
            async with actors.open_nursery() as nursery:
                nursery.start_soon(_fail_when_cancelled)
        raise Mild("once more")

    walk.__name__ = walk.__qualname__ = policy.replace(" ", "_")
    return handler(retry=POLICIES[policy])(walk)


Policies: Any = type("Policies", (Service,), {policy.replace(" ", "_"): _handler_under(policy) for policy in POLICIES})
"""A handler under each policy."""

WHERE = ("in the handler", "in a step", "in a nursery")
"""Where a handler under a policy fails; in a nursery, while the cancel of its invocation passes through."""

VERBS: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        ["raise", "raise_in_a_child", "raise_while_cancelled", "raise_in_a_step", "raise_in_a_thread"], ERRORS
    ),
    **dict.fromkeys(
        [
            "return",
            "answer",
            "answer_with_a_number",
            "argument",
            "emit",
            "emit_in_a_step",
            "number",
            "text",
            "anything",
            "item",
            "line",
            "mark",
            "step_function",
            "call",
            "send",
            "signal_with",
        ],
        VALUES,
    ),
    **dict.fromkeys(
        [
            "mark_under",
            "signal",
            "patched",
            "step_name",
            "call_under",
            "send_once",
            "cancel_because",
            "pause_because",
            "signal_to",
            "invocation",
        ],
        NAMES,
    ),
    **dict.fromkeys(
        [
            "sleep",
            "sleep_until",
            "deadline",
            "move_on_after",
            "fail_after",
            "step_timeout",
            "call_within",
            "send_later",
            "cancel_within",
        ],
        NUMBERS,
    ),
    **dict.fromkeys(["signal_of_type", "step_type"], TYPES),
    **dict.fromkeys(["give_typed", "take_typed", "keep_typed"], TYPED),
    "step_policy": POLICIES,
    "step_without_policy": NO_POLICIES,
    "step_body": BODIES,
}
"""What a walker can do, and of what it is given something then."""

OUTSIDE: dict[str, dict[str, Any]] = {
    "call": VALUES,
    "call_under": NAMES,
    "call_within": NUMBERS,
    "send_later": NUMBERS,
    "send_once": NAMES,
    "signal_to": NAMES,
    "signal_with": VALUES,
    "cancel_because": NAMES,
    "cancel_within": NUMBERS,
    "pause_because": NAMES,
    "info": NAMES,
}
"""What a client can ask, likewise."""


def _act(verb: str, things: dict[str, Any]) -> st.SearchStrategy[Act]:
    otherwise = st.sampled_from(["raise", "except Exception", "except"])
    return st.tuples(st.just(verb), st.sampled_from(sorted(things)), otherwise).map(list)


acts = st.one_of([_act(verb, things) for verb, things in VERBS.items()])
programs = st.lists(acts, min_size=1, max_size=4)
policies = st.tuples(st.sampled_from(sorted(POLICIES)), st.sampled_from(WHERE))
questions = st.one_of([st.tuples(st.just(verb), st.sampled_from(sorted(things))) for verb, things in OUTSIDE.items()])

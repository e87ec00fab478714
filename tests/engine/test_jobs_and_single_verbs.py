"""A bulk job leaves behind exactly what the same verb leaves behind when it is asked of each invocation by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import msgspec
import pytest
import trio
import trio._core._run as trio_run

import actors
from actors import Actor, InvocationHandle, handler
from actors.core.jobs import ItemResult, JobVerb
from actors.errors.base import code_of
from actors.model.verb_options_json import parse_options
from journal import invocation_keys
from journal.ids import stream_of_invocation
from journal.log.streams import load_stream, read_head
from journal.rows import InvocationRow, decode_row
from tests.engine.test_every_verb import STATES, Till
from tests.lab import Lab, quiet
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = on_virtual_time

KEY = "job-1"
VERBS: list[tuple[JobVerb, dict[str, Any]]] = [
    (JobVerb.PAUSE, {"reason": "maintenance"}),
    (JobVerb.PAUSE, {"mode": "now"}),
    (JobVerb.RESUME, {}),
    (JobVerb.CANCEL, {"reason": "over"}),
    (JobVerb.KILL, {}),
    (JobVerb.RESCHEDULE, {"delay": 5.0}),
    (JobVerb.PURGE, {}),
    (JobVerb.SIGNAL, {"name": "approve", "value": True}),
]


class Slow(Actor):
    @handler
    async def work(self) -> None:
        await actors.run(trio.sleep_forever, name="work")


async def in_a_step(client: actors.Client, key: str) -> InvocationHandle[Any]:
    return await client.actor(Slow, key).work.send()


async def missing(client: actors.Client, key: str) -> InvocationHandle[Any]:
    handle = await STATES["succeeded"](client.actor(Till, key))
    await quiet()
    await handle.purge()
    return handle


async def cold(client: actors.Client, key: str) -> InvocationHandle[Any]:
    """It has left memory by the time that the verb is asked for."""
    handle = await STATES["waiting"](client.actor(Till, key))
    for number in range(2 * IDLE):
        await client.actor(Till, f"{key}-{number}").pay.options(delay=500.0).send(1)
    await trio.sleep(3 * SUSPEND_AFTER)
    return handle


def of_till(state: str) -> Callable[[actors.Client, str], Awaitable[InvocationHandle[Any]]]:
    async def make(client: actors.Client, key: str) -> InvocationHandle[Any]:
        return await STATES[state](client.actor(Till, key))

    return make


IDLE, SUSPEND_AFTER = 4, 10.0
LIMITS = actors.Limits(idle_objects=IDLE, unload_after_seconds=SUSPEND_AFTER)
SITUATIONS = {state: of_till(state) for state in STATES} | {made.__name__: made for made in (in_a_step, missing, cold)}


@pytest.mark.parametrize(("verb", "options"), VERBS, ids=str)
@pytest.mark.parametrize("gated", [False, True], ids=["", "gated"])
async def test_a_job_does_to_each_what_the_verb_does_to_one(
    verb: JobVerb, options: dict[str, Any], gated: bool
) -> None:
    left = [await left_behind(ask, verb, options, gated=gated) for ask in (ask_each, ask_in_a_job)]
    assert left[0].keys() == SITUATIONS.keys()
    for situation in SITUATIONS:
        assert left[0][situation] == left[1][situation], situation


async def left_behind(ask: Any, verb: JobVerb, options: dict[str, Any], *, gated: bool) -> dict[str, Any]:
    """By situation: the answer, the events, the row and the audit entry of an invocation."""
    lab = Lab(Till, Slow, limits=LIMITS)
    lab.clock.shift(-trio.current_time())  # so that both begin at the same time
    trio_run._r.seed(1)  # and take tasks that are ready together in the same order
    async with lab.running() as runtime:
        client = runtime.client
        made = {situation: await make(client, situation) for situation, make in SITUATIONS.items()}
        await quiet()
        if gated:
            await client.gates.close("service:Till")
        answers = await ask(client, [*made.values()], verb, options)
        audit = (await client.audit(verb=verb.value, limit=1_000)).entries
        await quiet()
        return {
            situation: (
                answers[number],
                events_of(lab, handle),
                row_of(lab, handle),
                [
                    without(entry, "number", "at", "by", "source", "target", "request", "detail")
                    for entry in audit
                    if entry.target == handle.id
                ],
            )
            for number, (situation, handle) in enumerate(made.items())
        }


async def ask_each(
    client: Any, handles: list[InvocationHandle[Any]], verb: JobVerb, options: dict[str, Any]
) -> list[Any]:
    answers: list[Any] = []
    for handle in handles:
        try:
            found = await client.execute(
                handle.id, parse_options(verb, options), idempotency_key=None if verb is JobVerb.PURGE else KEY
            )
            answers.append((found.changed, found.before, found.after))
        except actors.ActorError as refusal:
            # A job whose answer was lost may have purged it itself, so it does not refuse what is gone.
            is_gone = verb is JobVerb.PURGE and isinstance(refusal, actors.NotFoundError)
            answers.append((False, None, None) if is_gone else code_of(refusal).value)
    return answers


async def ask_in_a_job(
    client: Any, handles: list[InvocationHandle[Any]], verb: JobVerb, options: dict[str, Any]
) -> list[Any]:
    job = await client.jobs.of([handle.id for handle in handles]).ask(parse_options(verb, options))
    await job.result()
    return [item.error or (item.result is ItemResult.CHANGED, item.before, item.after) async for item in job.items()]


def events_of(lab: Lab, handle: InvocationHandle[Any]) -> list[Any]:
    """The invocation's events, without ids. Others of its object may come between them at any place."""
    stream = stream_of_invocation(handle.id)
    stored = load_stream(lab.store, 0, stream, read_head(lab.store, 0, stream))
    events = [] if stored is None else [recorded.event for recorded in stored.events]
    return [
        (event.__class__, without(event, "invocation_id", "successor", "callee_id"))
        for event in events
        if getattr(event, "invocation_id", None) == handle.id
    ]


def row_of(lab: Lab, handle: InvocationHandle[Any]) -> Any:
    data = lab.store.get(invocation_keys.invocation(0, handle.id))
    return (
        None
        if data is None
        else without(
            decode_row(InvocationRow, data),
            "invocation_id",
            "spans",
            "created_at",
            "modified_at",
            "started_at",
            "completed_at",
            "purge_at",
            "applied_requests",
            "scheduled_for",
            "awaited",
            "caller",
        )
    )


def without(value: Any, *names: str) -> dict[str, Any]:
    names_of = msgspec.structs.fields if isinstance(value, msgspec.Struct) else attrs.fields
    return {field.name: getattr(value, field.name) for field in names_of(type(value)) if field.name not in names}

"""What a verb raises for one item of a bulk job is counted under its type, and the job goes on with the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import Actor, UnavailableError, UnknownOutcomeError, handler
from actors.core.jobs import JobState, JobVerb
from actors.engine.dispatcher import Dispatcher
from actors.errors.base import code_of
from journal.errors import CorruptRecord, MalformedIdError, Unavailable
from tests import long_way
from tests.lab import Damage, Lab, quiet
from tests.raising import ERRORS, made
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.engine.requests import ObjectRequest

pytestmark = on_virtual_time


class Shop(Actor):
    @handler
    async def sell(self) -> int:
        return await actors.signal("sold", int)


PASSING = (UnavailableError, UnknownOutcomeError, Unavailable)
"""What the store raises while it takes nothing."""

FINAL = [
    *(kind for kind in ERRORS if kind not in PASSING),
    MalformedIdError,
    CorruptRecord,
]


def failing(monkeypatch: pytest.MonkeyPatch, one: str, error: Exception, *, times: int) -> None:
    """Have what jobs ask of an invocation fail so often."""
    taken, left = Dispatcher.take, [times]

    async def sometimes(self: Dispatcher, request: ObjectRequest) -> None:
        asked = getattr(request.command, "invocation_id", None)
        if request.stamp.by.startswith("job:") and asked == one and left[0]:
            left[0] -= 1
            request.fail(error)
        else:
            await taken(self, request)

    monkeypatch.setattr(Dispatcher, "take", sometimes)


@pytest.mark.parametrize("kind", FINAL)
async def test_an_error_of_any_type_is_counted_and_the_job_goes_on(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Lab(Shop).running() as runtime:
        shops = [await runtime.client.actor(Shop, key).sell.send() for key in "abc"]
        await quiet()
        error = MalformedIdError("x") if kind is MalformedIdError else made(kind)
        failing(monkeypatch, shops[1].id, error, times=1_000)
        info = await (await runtime.client.jobs.where("service = 'Shop'").pause()).result()
        assert (info.state, info.changed, info.refused) == (JobState.DONE, 2, {code_of(error): 1})


@pytest.mark.parametrize("kind", PASSING)
async def test_an_item_that_the_store_cannot_take_now_is_asked_again(
    kind: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with Lab(Shop).running() as runtime:
        shops = [await runtime.client.actor(Shop, key).sell.send() for key in "abc"]
        await quiet()
        failing(monkeypatch, shops[1].id, kind("not now"), times=3)
        info = await (await runtime.client.jobs.where("service = 'Shop'").pause()).result()
        assert (info.state, info.changed, info.refused) == (JobState.DONE, 3, {})


OPTIONS: dict[JobVerb, dict[str, Any]] = {
    JobVerb.SIGNAL: {"name": "sold", "value": 5},
    JobVerb.RESTART: {"stop": "kill"},
    JobVerb.RESCHEDULE: {"delay": 60},
}


@pytest.mark.parametrize("verb", JobVerb)
async def test_a_damaged_object_refuses_every_verb_and_holds_up_no_other(verb: JobVerb) -> None:
    lab = Lab(Shop)
    async with lab.running() as runtime:
        delay = 3600 if verb is JobVerb.RESCHEDULE else None
        shops = [await runtime.client.actor(Shop, key).sell.options(delay=delay).send() for key in "abc"]
        await quiet()
        if verb is JobVerb.PURGE:
            for shop in shops:
                await shop.kill()
    Damage(lab, "Shop", "b")
    async with lab.running() as runtime:
        selection = runtime.client.jobs.where("service = 'Shop'")
        if verb is JobVerb.PAUSE and not long_way.is_wanted:  # by its row, which needs no history; what comes next does
            paused = await (await selection.pause()).result()
            assert (paused.state, paused.changed) == (JobState.DONE, 3)
            verb = JobVerb.RESUME
        info = await (await getattr(selection, verb.value)(**OPTIONS.get(verb, {}))).result()
        assert (info.state, info.total, info.refused) == (JobState.DONE, 3, {"set_aside": 1})

"""What a remote control owes its user where others have let theirs down: an answer that is true, and holds what it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio
from click.testing import CliRunner

import actors
from actors import Actor, Limits, Service, handler, step
from cli.main import root
from journal.events import Status, Target
from tests.http.served import serving
from tests.lab import WORLD, Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from pathlib import Path

    from actors.runtime import Runtime
    from tests.http.served import Served

DAY = 24 * 3600.0


STEP_SECONDS = 0.05


@step
async def fetch(what: str) -> str:
    await trio.sleep(STEP_SECONDS)
    WORLD.note(f"fetched {what}")
    return f"notes on {what}"


class Clerk(Actor):
    @handler
    async def file(self, what: str) -> str:
        notes = await fetch(what)
        await actors.sleep(DAY)
        await fetch(f"{what} again")
        return notes

    @handler
    async def weigh(self, grams: int) -> int:
        return grams


class ClerkOfClerks(Service):
    @handler
    async def file(self, what: str) -> str:
        notes = await fetch(what)
        await actors.signal("go", bool)
        return notes


@pytest.fixture(autouse=True)
def _fresh() -> None:
    WORLD.clear()


async def found(runtime: Runtime, *handles: actors.InvocationHandle[Any]) -> list[Status]:
    return [(await handle.info()).status for handle in handles]


@on_virtual_time
async def test_a_pause_holds_what_is_suspended_scheduled_and_queued_and_a_gate_what_is_yet_to_come() -> None:
    async with Lab(Clerk, limits=Limits(unload_after_seconds=1.0)).running() as runtime:
        client, clerk = runtime.client, runtime.client.actor(Clerk, "a")
        suspended = await clerk.file.send("one")
        queued = await clerk.file.send("two")
        scheduled = await client.actor(Clerk, "b").file.options(delay=60.0).send("three")
        await trio.sleep(30)
        handles = (suspended, queued, scheduled)
        assert await found(runtime, *handles) == [Status.SUSPENDED, Status.QUEUED, Status.SCHEDULED]

        gate = await client.gates.close("service:Clerk", reason="stocktaking")
        paused = await (await client.jobs.where("service = 'Clerk'").pause(reason="stocktaking")).result()
        assert (gate.changed, paused.changed) == (True, 3), "each answer is true of each of them"
        new = await client.actor(Clerk, "c").file.send("four")
        assert await found(runtime, *handles) == [Status.PAUSED] * 3
        await trio.sleep(10 * DAY)
        assert WORLD.entries == ["fetched one"], "nothing goes on by itself"

        await client.gates.open("service:Clerk")
        assert await new.result() == "notes on four"
        assert await found(runtime, *handles) == [Status.PAUSED] * 3
        await (await client.jobs.where("status = 'paused'").resume()).result()
        assert [await handle.result() for handle in handles] == ["notes on one", "notes on two", "notes on three"]


@on_virtual_time
async def test_a_selection_takes_exactly_what_it_names_and_all_of_it() -> None:
    async with Lab(Clerk, ClerkOfClerks).running() as runtime:
        client = runtime.client
        wanted = [await client.actor(Clerk, f"{n}").file.send("a") for n in range(1_100)]
        spared = [await client.service(ClerkOfClerks).file.send("a"), await client.actor(Clerk, "%").file.send("a")]
        await trio.sleep(1)
        selection = client.jobs.where("service = 'Clerk' and key <> '%'")
        assert (await selection.preview()).count == len(wanted)
        done = await (await selection.pause()).result()
        assert (done.matched, done.changed) == (len(wanted), len(wanted)), "there is no limit that nobody asked for"
        assert {*await found(runtime, *wanted)} == {Status.PAUSED}, "when it says that it is done, it is done"
        assert Status.PAUSED not in await found(runtime, *spared)
        (one,) = await client.invocations(service="Clerk", key="%")
        assert one.id == spared[1].id, "a name is never a pattern"


async def test_arguments_that_do_not_fit_are_a_400_at_the_door_and_never_block_their_key(tmp_path: Path) -> None:
    async with serving(tmp_path, Clerk) as served:
        for body in ("a kilo", None, {"grams": "many"}, [1, 2]):
            answer = await served.http.post("/Clerk/scales/weigh", json=body)
            assert (answer.status_code, answer.json()["error"]) == (400, "actors.errors.InvalidArgumentError"), (
                answer.text
            )
        with trio.fail_after(10):
            assert (await served.http.post("/Clerk/scales/weigh", json=7)).json() == 7
        (only,) = (await served.http.get("/invocations")).json()["invocations"]
        assert only["outcome"]["kind"] == "succeeded", "what was refused has left no trace behind the door"


async def test_an_invocation_is_one_resource_with_its_journal_and_no_query_is_needed(tmp_path: Path) -> None:
    async with serving(tmp_path, ClerkOfClerks) as served:
        of = await waiting(served)
        info = (await served.http.get(f"/invocations/{of}")).json()
        assert (info["status"], info["target"]["service"]) == ("suspended", "ClerkOfClerks")
        assert [(wait["kind"], wait["name"]) for wait in info["waits"]] == [("signal", "go")]
        journal = (await served.http.get(f"/invocations/{of}/events")).json()
        assert [event["name"] for event in journal["events"]] == [
            "InvocationAccepted",
            "InvocationStarted",
            "StepScheduled",
            "StepCompleted",
            "SignalAwaited",
        ]
        assert journal["events"][3]["details"]["outcome"]["value"] == "notes on tea"


async def test_describe_shows_what_steps_gave_how_long_they_took_and_what_is_awaited(tmp_path: Path) -> None:
    async with serving(tmp_path, ClerkOfClerks) as served:
        of = await waiting(served)
        words = ["invocations", "describe", of, "--url", served.url, "--token", served.token]
        shown = (await trio.to_thread.run_sync(lambda: CliRunner().invoke(root, words))).output
        assert "waits for   signal go at step 2, since " in shown
        (ended,) = (line for line in shown.splitlines() if "StepCompleted" in line)
        assert 'step 1 succeeded with "notes on tea"' in ended
        at = {entry.name: entry.at async for entry in served.runtime.client.invocation(of).events()}
        took = at["StepCompleted"] - at["StepScheduled"]
        assert took >= STEP_SECONDS
        assert ended.split()[2] == f"{took:.3f}s", shown


async def waiting(served: Served) -> str:
    """One that has taken a step, and waits for a signal."""
    sent = await served.runtime.client.send_by_name(Target("ClerkOfClerks", None, "file"), b'"tea"')
    with trio.fail_after(30):
        while not any(
            w.kind == "signal" for w in (await served.runtime.client.invocation(sent.invocation_id).info()).waits
        ):
            await trio.sleep(0.01)
    return sent.invocation_id

"""Several nodes on one log: any node takes any request, and what a node owned is owned by another soon after its death."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import pytest
import trio

import actors
from actors import Actor, Service, handler
from actors.engine.router import RequestRouter
from actors.environment import Peers
from actors.errors import NotOwnerError
from actors.http.closing import Closing
from actors.http.server.metrics import metrics
from actors.http.server.request_context import Exchange
from actors.system.registry import registry_stream
from journal.replicated.membership import BEAT_SECONDS, DEAD_SECONDS
from tests.cluster import Cluster, Peer
from tests.raising import raises
from tests.virtual import VirtualClock, on_virtual_time

pytestmark = on_virtual_time


class Tally(Actor):
    value: int = 0

    @handler
    async def add(self, amount: int) -> int:
        self.value += amount
        return self.value

    @handler
    async def wait(self) -> str:
        return await actors.signal("go", str)


class Caller(Actor):
    @handler
    async def call(self, key: str) -> int:
        return await actors.actor(Tally, key).add(2)


class Errand(Service):
    @handler
    async def run(self) -> str:
        return "done"


@pytest.fixture(params=[False, True], ids=["in memory", "over HTTP"])
def lab(request: pytest.FixtureRequest) -> Cluster:
    return Cluster(Tally, Caller, Errand, over_http=request.param)


def registry_and_other(peers: list[Peer]) -> tuple[Peer, Peer]:
    """The node that owns the registry, and one that does not."""
    partition = registry_stream() % peers[0].node.partitions
    owner = next(peer for peer in peers if partition in peer.owned())
    return owner, next(peer for peer in peers if peer is not owner)


# Requests at the node that does not own the object.


async def test_a_call_and_a_send_are_answered_by_any_node_in_one_hop(lab: Cluster) -> None:
    async with lab.running(3) as peers:
        lab.hops.clear()
        for asked in peers:
            for owner in peers:
                key = lab.key_on(Tally, owner)
                before = await asked.client.actor(Tally, key).add(0)
                sent = await asked.client.actor(Tally, key).add.send(1)
                assert await sent.result() == before + 1
        assert all(asked != owner for asked, owner in lab.hops)
        assert len(lab.hops) == 3 * 6, "a call, a send and a wait for each pair, and nothing for the node itself"


async def test_a_service_runs_on_the_node_that_is_asked_for_it(lab: Cluster) -> None:
    async with lab.running(3) as peers:
        lab.hops.clear()
        for peer in peers:
            for _ in range(8):
                assert await peer.client.service(Errand).run() == "done"
        assert lab.hops == []


async def test_verbs_reach_the_owner_of_the_invocation(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        key = lab.key_on(Tally, one)
        handle = await one.client.actor(Tally, key).wait.send()
        seen = two.client.invocation(handle.id)
        await seen.pause(reason="look first")
        assert (await handle.info()).status is actors.Status.PAUSED
        await seen.resume()
        await seen.signal("go", "now")
        assert await seen.result() == "now"
        other = await one.client.actor(Tally, key).wait.send()
        await two.client.invocation(other.id).cancel(reason="no longer needed")
        with pytest.raises(actors.errors.InvocationCancelledError):
            await two.client.invocation(other.id).result()
        with raises(actors.ConflictError, code=actors.errors.ErrorCode.ALREADY_COMPLETED):
            await two.client.invocation(other.id).cancel()


async def test_the_events_of_an_invocation_are_followed_on_any_node(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        handle = await one.client.actor(Tally, lab.key_on(Tally, one)).wait.send()
        names: list[str] = []

        async def follow() -> None:
            names.extend([entry.name async for entry in two.client.invocation(handle.id).follow()])

        async with trio.open_nursery() as nursery:
            nursery.start_soon(follow)
            await trio.sleep(1)
            await two.client.invocation(handle.id).signal("go", "x")
        assert names[-1] == "InvocationCompleted"
        assert [entry.name async for entry in two.client.invocation(handle.id).events()] == names


async def test_a_handler_calls_an_object_of_another_node(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        for caller, called in ((one, two), (two, one)):
            assert await caller.client.actor(Caller, lab.key_on(Caller, caller)).call(lab.key_on(Tally, called)) == 2


async def test_a_call_there_and_back_costs_three_commits(lab: Cluster) -> None:
    async with lab.running(2) as (near, far):
        caller, callee = lab.key_on(Caller, near), lab.key_on(Tally, far)
        await near.client.actor(Caller, caller).call(callee)
        await trio.sleep(5)
        before = lab.entries()
        for number in range(2, 12):
            assert await near.client.actor(Caller, caller).call(callee) == 2 * number
        assert lab.entries() - before <= 10 * 3 + 1
        await trio.sleep(5)
        assert not lab.outgoing(near), "and no row is left"


async def test_gates_are_closed_and_opened_on_any_node(lab: Cluster) -> None:
    async with lab.running(2) as peers:
        owner, other = registry_and_other(peers)
        await other.client.gates.close("service:Tally", reason="look first")
        handles = [await peer.client.actor(Tally, lab.key_on(Tally, peer)).add.send(1) for peer in peers]
        await trio.sleep(1)
        assert {(await handle.info()).status for handle in handles} == {actors.Status.QUEUED}
        await owner.client.gates.open("service:Tally", reason="seen")
        assert [await handle.result() for handle in handles] == [1, 1]


async def test_a_job_changes_objects_of_all_nodes(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        for peer in (one, two):
            await peer.client.actor(Tally, lab.key_on(Tally, peer)).wait.send()
        await trio.sleep(1)
        for peer in (one, two):
            found = await peer.client.query("select count(*) from sys_invocation where service = 'Tally'")
            assert found.rows == [[2]]
        job = await two.client.jobs.where("service = 'Tally' and handler = 'wait'").cancel(reason="enough")
        assert (await job.result()).changed == 2
        await trio.sleep(1)
        assert await one.client.verify_audit() == await two.client.verify_audit()


async def test_the_metrics_of_all_nodes_add_up(lab: Cluster) -> None:
    async with lab.running(2) as peers:
        for peer in peers:
            await peer.client.actor(Tally, lab.key_on(Tally, peer)).wait.send()
        await trio.sleep(1)
        await peers[0].client.gates.close("service:Errand", reason="look first")
        await peers[0].client.limits.set("service:Tally", concurrency=5, budget={"euros": 10})
        summed = Counter[str]()
        for peer in peers:
            exchange = Exchange(peer.client, None, {}, Closing(), lambda: True, trio.sleep)  # type: ignore[arg-type]
            for line in bytes((await metrics(exchange)).body).decode().splitlines():
                if not line.startswith("#"):
                    name, _, value = line.rpartition(" ")
                    summed[name] += float(value)  # type: ignore[assignment]
        assert summed['playhead_invocations_open{status="suspended"}'] == 2
        assert summed["playhead_gates"] == 1
        assert summed['playhead_limit_budget{scope="service:Tally",quantity="euros"}'] == 10
        assert summed['playhead_limit_spent{scope="service:Tally",quantity="euros"}'] == 0
        assert summed['playhead_limit_waiting{scope="service:Tally"}'] == 0


async def test_a_job_under_one_key_is_one_job_although_two_nodes_are_asked_at_once(lab: Cluster) -> None:
    async with lab.running(2) as peers:
        for peer in peers:
            await peer.client.actor(Tally, lab.key_on(Tally, peer)).wait.send()
        await trio.sleep(1)
        jobs: list[str] = []

        async def start(peer: Peer) -> None:
            selection = peer.client.jobs.where("handler = 'wait'")
            jobs.append((await selection.start("cancel", {"reason": "enough"}, idempotency_key="k")).id)

        async with trio.open_nursery() as nursery:
            for peer in peers:
                nursery.start_soon(start, peer)
        assert len(jobs) == 2
        assert len(set(jobs)) == 1


async def test_edits_and_schedules_are_made_on_any_node(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        key = lab.key_on(Tally, one)
        await two.client.actor(Tally, key).add(1)
        await trio.sleep(1)
        await two.client.object(Tally, key).edit(set={"value": 40})
        assert await one.client.actor(Tally, key).add(2) == 42


async def test_a_gate_is_obeyed_by_every_node_when_it_is_closed(lab: Cluster) -> None:
    async with lab.running(3) as peers:
        owner, other = registry_and_other(peers)
        for asked, change in ((other, "close"), (owner, "open"), (owner, "close"), (other, "open")):
            await getattr(asked.client.gates, change)("service:Tally", reason="look first")
            assert {peer.engine.registry.gates.are_none for peer in peers} == {change == "open"}


async def test_a_limit_holds_on_every_node_when_it_is_set(lab: Cluster) -> None:
    async with lab.running(2) as peers:
        for asked in peers:
            await asked.client.limits.set("service:Tally", concurrency=1)
            assert all(peer.engine.registry.limits for peer in peers)
            assert [limit.node for peer in peers for limit in await peer.client.limits.list()] == ["n1", "n2"], (
                "who counts"
            )
            await asked.client.limits.delete("service:Tally")
            assert not any(peer.engine.registry.limits for peer in peers)


async def test_a_node_that_does_not_obey_in_time_is_named(lab: Cluster) -> None:
    async with lab.running(3) as peers:
        owner, other = registry_and_other(peers)
        other.is_behind = True
        with pytest.raises(actors.errors.TooSlowError) as raised:
            await owner.client.gates.close("service:Tally", reason="look first")
        assert raised.value.details == {"nodes": [other.name]}
        other.is_behind = False
        await trio.sleep(1)
        assert not other.engine.registry.gates.are_none


# Owners that go.


async def test_a_dead_node_is_replaced_and_nothing_acknowledged_is_lost(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        keys = {lab.key_on(Tally, peer) for peer in (one, two)}
        for key in keys:
            assert await two.client.actor(Tally, key).add(5) == 5
        one.is_cut_off = True
        with trio.fail_after(DEAD_SECONDS + BEAT_SECONDS + 0.2):
            assert {await two.client.actor(Tally, key).add(1) for key in keys} == {6}
        assert two.owned() == {0, 1, 2, 3}


async def test_a_node_that_hangs_is_not_waited_for(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        key = lab.key_on(Tally, one)
        assert await two.client.actor(Tally, key).add(5) == 5
        one.hangs = True
        with trio.fail_after(DEAD_SECONDS + BEAT_SECONDS + 0.2):
            assert await two.client.actor(Tally, key).add(1) == 6


async def test_a_stopped_owner_answers_nothing_from_memory_and_is_a_node_again_later(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        key = lab.key_on(Tally, one)
        handle = await one.client.actor(Tally, key).wait.send()
        one.is_cut_off = True
        await trio.sleep(DEAD_SECONDS + 0.01)
        with raises(NotOwnerError, code=actors.errors.ErrorCode.NOT_OWNER):
            await one.client.actor(Tally, key).add(1)
        await two.client.invocation(handle.id).cancel()
        one.is_cut_off = False
        await lab.balanced()
        assert (await one.client.invocation(handle.id).info()).status is actors.Status.COMPLETED
        assert await one.client.actor(Tally, key).add(1) == 1


async def test_a_call_that_waits_has_its_answer_although_its_owner_dies(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        key = lab.key_on(Tally, one)
        found: list[str] = []

        async def call() -> None:
            found.append(await two.client.actor(Tally, key).wait())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(call)
            await trio.sleep(1)
            one.is_cut_off = True
            await trio.sleep(2)
            [row] = (await two.client.query("select id from sys_invocation where handler = 'wait'")).rows
            await two.client.invocation(row[0]).signal("go", "on")
        assert found == ["on"]


async def test_a_verb_whose_connection_broke_is_not_repeated_without_a_request_key(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        handle = await one.client.actor(Tally, lab.key_on(Tally, one)).wait.send()
        lab.breaks_after_asking = True
        with pytest.raises(actors.errors.UnknownOutcomeError):
            await two.client.invocation(handle.id).signal("other", "x")
        await two.client.invocation(handle.id).signal("other", "y", idempotency_key="once")
        names = [entry.name async for entry in one.client.invocation(handle.id).events()]
        assert names.count("SignalReceived") == 2


async def test_a_call_that_may_have_been_made_is_not_refused_as_if_it_had_not(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        key = lab.key_on(Tally, one)
        lab.breaks_after_asking = two.is_deaf = True

        async def cut_off() -> None:
            await trio.sleep(0.01)
            one.is_cut_off = True

        async with trio.open_nursery() as nursery:
            nursery.start_soon(cut_off)
            with pytest.raises(actors.errors.UnknownOutcomeError):
                await two.client.actor(Tally, key).add(1)
        one.is_cut_off = two.is_deaf = False
        await lab.balanced()
        assert await two.client.actor(Tally, key).add(0) == 1


async def test_partitions_move_to_a_node_that_joins_and_callers_notice_nothing(lab: Cluster) -> None:
    async with lab.running(1) as [one]:
        keys = [str(number) for number in range(20)]
        counts = dict.fromkeys(keys, 0)
        longest = 0.0
        waited: list[str] = []

        async def count(key: str) -> None:
            nonlocal longest
            for _ in range(20):
                began = trio.current_time()
                counts[key] += 1
                assert await one.client.actor(Tally, key).add(1) == counts[key]
                longest = max(longest, trio.current_time() - began)
                await trio.sleep(0.05)

        async def wait(key: str) -> None:
            waited.append(await one.client.actor(Tally, key).wait())

        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                for number in range(8):
                    nursery.start_soon(wait, f"waits {number}")
                for key in keys:
                    nursery.start_soon(count, key)
                await trio.sleep(0.2)
                async with lab.peer("late") as late:
                    await lab.balanced()
                    await trio.sleep(1)
                    assert len(late.owned()) == 2
                    for row in (await late.client.query("select id from sys_invocation where handler = 'wait'")).rows:
                        await late.client.invocation(row[0]).signal("go", "on")
        await lab.balanced()
        assert longest <= 0.3
        assert waited == ["on"] * 8
        assert one.owned() == {0, 1, 2, 3}, "the node that left has given back what it had"


async def test_a_call_that_waits_when_its_object_moves_to_nobody_is_unknown_and_not_refused(lab: Cluster) -> None:
    async with lab.running(1) as [one]:
        results: list[str] = []

        async def wait(key: str) -> None:
            try:
                results.append(await one.client.actor(Tally, key).wait())
            except actors.ActorError as error:
                results.append(type(error).__name__)

        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(wait, f"waits {number}")
            await trio.sleep(0.2)
            async with lab.peer("late") as late:
                late.is_behind = True  # so it cannot own what was placed on it
                await trio.sleep(5)
                late.is_behind = False
                await lab.balanced()
                assert set(results) == {"UnknownOutcomeError"}
                for row in (await late.client.query("select id from sys_invocation where handler = 'wait'")).rows:
                    await late.client.invocation(row[0]).signal("go", "on")
            nursery.cancel_scope.deadline = trio.current_time() + 5
        assert sorted({*results}) == ["UnknownOutcomeError", "on"]
        assert len(results) == 8


async def test_without_an_owner_a_request_is_refused_by_its_name(lab: Cluster) -> None:
    async with lab.running(2) as (one, two):
        key = lab.key_on(Tally, one)
        one.is_cut_off = two.is_cut_off = True
        await trio.sleep(DEAD_SECONDS)
        began = trio.current_time()
        with pytest.raises(NotOwnerError) as raised:
            await two.client.actor(Tally, key).add(1)
        assert trio.current_time() - began < 3
        assert raised.value.partition == lab.partition_of(Tally, key)


# Clocks, and a start that takes long.


async def test_nodes_whose_clocks_are_too_far_apart_say_so() -> None:
    lab = Cluster(Tally, over_http=True)
    async with lab.running(2) as (first, second):
        second.clock.shift(31.0)
        key = lab.key_on(Tally, second)
        with pytest.raises(
            NotOwnerError, match=r"node n2 owns it, and did not take the request \(.*31\.\d s .* set the clocks"
        ):
            await first.client.actor(Tally, key).add(1)
        second.clock.shift(-31.0)
        assert await first.client.actor(Tally, key).add(1) == 1


@attrs.define(eq=False)
class Unplaced:
    """A member of a cluster in which a partition has no owner, until it has."""

    owner: str | None = None
    name: str = "n1"

    def owner_of(self, partition: int) -> str | None:
        return self.owner

    async def changed(self) -> None:
        await trio.sleep(0.5)


async def test_a_node_says_what_it_waits_for_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "actors.engine.router")
    node: Any = Unplaced()
    router = RequestRouter(Peers(node, None, trio.sleep, trio.sleep), {}, 1, VirtualClock().now)  # type: ignore[arg-type]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(router.all_owned)
        await trio.sleep(1.9)
        assert not caplog.messages
        await trio.sleep(10.0)
        node.owner = "n2"
    assert caplog.messages == ["waiting until each partition has an owner; 'playhead cluster status' shows them"]

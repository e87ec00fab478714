"""What people do with the remote control, from the first look to the last.

What has run is counted outside of the process that runs it: see :mod:`tests.stories.faces`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from examples.remote_control import claim, deploy_the_fix
from examples.remote_control.dead_endpoint import STUCK
from journal.events import Target

if TYPE_CHECKING:
    from tests.stories.faces import Opened, Stage

AGENTS = 200


def told_through(*faces: str) -> pytest.MarkDecorator:
    """Tell a story through these faces. What each verb does is tested in ``tests/core``, and each face in a folder of its own."""
    return pytest.mark.parametrize("opened", faces, indirect=True)


@told_through("in the process", "over a connection")
async def test_hundreds_of_agents_on_a_dead_endpoint_are_found_and_cancelled_and_each_compensates(
    opened: Opened,
) -> None:
    async with opened("dead_endpoint") as stage:
        face = stage.face
        await agents_come(stage)
        await stage.there_are(AGENTS, STUCK)
        assert await face.count(STUCK) == AGENTS
        assert await face.preview("cancel", STUCK) == AGENTS
        stuck = await face.find(STUCK)
        assert len({*stuck}) == AGENTS
        assert stage.counts() == {"room taken": AGENTS}, "to look is to change nothing"

        done = await face.bulk("cancel", STUCK, reason="the endpoint is gone")
        assert (done.changed, done.refused) == (AGENTS, 0)
        await stage.there_are(AGENTS, "service = 'Agent' and outcome = 'cancelled'")
        assert stage.counts() == {"room taken": AGENTS, "room given back": AGENTS}
        assert len({*stage.ran()}) == 2 * AGENTS, "each room was given back once"
        assert await face.count(STUCK) == 0
        ended = await face.info(stuck[0])
        assert ended["outcome"]["reason"] == "the endpoint is gone"


async def agents_come(stage: Stage) -> None:
    async with trio.open_nursery() as nursery:
        for number in range(AGENTS):
            nursery.start_soon(stage.others.send_by_name, Target("Agent", None, "plan"), b'"guest %d"' % number)


@told_through("in the process")
async def test_a_new_message_aborts_the_task_of_the_one_before_which_saves_its_notes(opened: Opened) -> None:
    async with opened("new_message") as stage:
        face = stage.face
        first = await face.call("Chat/ada/message", "to Rome")
        await stage.waits_for(first, "think")
        second = await face.call("Chat/ada/message", "no, to Oslo")
        await stage.comes_to(first, "cancelled")
        assert (await face.info(first))["outcome"]["reason"] == "a newer message came: no, to Oslo"
        await stage.waits_for(second, "think")
        assert await face.call("Chat/ada/task_now") == second
        assert stage.counts() == {"looked up": 2, "saved": 1, "thinking about notes on 'to Rome'": 1} | {
            "thinking about notes on 'no, to Oslo'": 1
        }
        assert "saved: notes on 'to Rome'" in stage.ran()


@told_through("in the process")
async def test_runs_that_hit_a_bug_continue_on_the_fix_and_repeat_no_step(
    opened: Opened,
) -> None:
    async with opened("deploy_the_fix") as stage:
        face, stuck, paused = stage.face, deploy_the_fix.STUCK, "status = 'paused'"
        runs = [await face.send("Import/run", region) for region in deploy_the_fix.REGIONS]
        await stage.there_are(len(runs), stuck)
        assert (await face.bulk("pause", stuck, reason="a parsing bug")).changed == len(runs)
        held = await face.info(runs[0])
        assert held["status"] == "paused"
        assert held["pause_reason"] == "a parsing bug"
        assert await face.check(paused) == {"raises": len(runs)}, "on the code that it was, it would fail again"

        await stage.mend(deploy_the_fix.FIX)
        assert (await face.info(runs[0]))["status"] == "paused", "a deployment moves nothing"
        assert await face.check(paused) == {"same": len(runs)}
        assert stage.counts() == {"downloaded": len(runs)}, "a check executes nothing"

        done = await face.bulk("resume", paused, deployment="latest", reason="it is mended")
        assert (done.changed, done.refused) == (len(runs), 0)
        for run in runs:
            await stage.comes_to(run, "succeeded")
        ended = await face.info(runs[0])
        assert ended["outcome"]["value"] == 2000
        assert ended["deployment"] != held["deployment"]
        assert stage.counts() == {"downloaded": len(runs), "stored": len(runs)}


@told_through("in the process", "command line")
async def test_a_service_is_held_for_maintenance_with_what_comes_meanwhile_and_goes_on_afterwards(
    opened: Opened,
) -> None:
    async with opened("maintenance") as stage:
        face = stage.face
        before = await face.send("Orders/take", "tea")
        await stage.waits_for(before, "packed")
        await face.close_gate("service:Orders", "the database is being moved")
        meanwhile = await face.send("Orders/take", "cups")
        for order in (before, meanwhile):
            await face.signal(order, "packed", None)
        for order, status in ((before, "running"), (meanwhile, "queued")):
            held = await face.info(order)
            assert (held["status"], held["phase"]) == (status, "held")
            assert held["gate"]["reason"] == "the database is being moved"
        assert stage.ran() == ["inserted: tea"], "what waited was told, and still does nothing"

        await stage.deploy()
        assert (await face.info(before))["phase"] == "held", "a gate is as durable as what it holds"

        await face.open_gate("service:Orders", "the database is back")
        for order in (before, meanwhile):
            await stage.comes_to(order, "succeeded")
        assert stage.counts() == {"inserted": 2, "dispatched": 2}
        for verb, reason in (("close-gate", "the database is being moved"), ("open-gate", "the database is back")):
            assert await face.audit(verb) == [("service:Orders", reason)]


@told_through("in the process", "plain HTTP")
async def test_a_claim_is_reimbursed_again_on_mended_code_and_nobody_is_asked_for_approval_again(
    opened: Opened,
) -> None:
    async with opened("claim") as stage:
        face = stage.face
        first = await face.send("Claim/7/run", {"amount": 40, "currency": "EUR"})
        for reviewer in claim.REVIEWERS:
            await stage.waits_for(first, f"approval of {reviewer}")
            await face.signal(first, f"approval of {reviewer}", True)
        await stage.comes_to(first, "failed")
        assert (await face.info(first))["outcome"]["failure"]["message"] == "no rate for EUR"

        await stage.mend(claim.FIX)
        kept, again = await face.plan(first, "reimburse", "latest")
        assert again == ["reimburse"]
        assert sorted(kept) == sorted(["ask", "ask", "ask", *(f"approval of {name}" for name in claim.REVIEWERS)])
        second = await face.restart(first, "reimburse", deployment="latest", reason="the rate is there")
        await stage.comes_to(second, "succeeded")
        ended = await face.info(second)
        assert ended["outcome"]["value"] == 50.0
        assert ended["restarts"]["invocation_id"] == first
        assert (await face.info(first))["successors"] == [second]
        assert stage.ran() == [*(f"asked: {name}" for name in claim.REVIEWERS), "paid: 50.0 dollars for claim 7"]


@told_through("in the process")
async def test_an_answer_is_regenerated_from_the_same_sources_by_its_chat_and_from_outside(opened: Opened) -> None:
    async with opened("regenerate") as stage:
        face = stage.face
        first = await face.call("Chat/ada/ask", "the sky")
        await stage.comes_to(first, "succeeded")
        second = await face.call("Chat/ada/regenerate")
        await stage.comes_to(second, "succeeded")
        third = await face.restart(second, "write", deployment="keep", reason="once more")
        await stage.comes_to(third, "succeeded")
        drafts = [(await face.info(of))["outcome"]["value"] for of in (first, second, third)]
        assert [draft.partition(" on ")[0] for draft in drafts] == ["draft 1", "draft 2", "draft 3"]
        assert stage.counts() == {"looked for sources": 1, "wrote": 3}
        assert (await face.info(third))["restarts"]["invocation_id"] == second

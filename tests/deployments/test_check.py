"""Replay what is recorded on other code: what is kept, what is not, and where; without any effect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

import actors
from actors.model.checks import OperationStatus, Verdict
from journal.events import Status
from tests.deployments.apps import write
from tests.deployments.shop import Shop, shop, waits
from tests.lab import WORLD
from tests.raising import raises
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from actors.model.handles import InvocationHandle
    from actors.runtime import Runtime

__all__ = ["shop"]
pytestmark = on_virtual_time

APP = """
    import actors
    from tests.lab import WORLD

    @actors.step
    async def fetch(what: str) -> str:
        WORLD.note(f"fetch {{what}}")
        return "3 apples"

    @actors.step
    async def store(count: int) -> None:
        WORLD.note(f"store {{count}}")

    def parse(text: str) -> int:
        raise ValueError(f"cannot parse {{text!r}}")

    class Import(actors.Actor):
        seen: int = 0
        total: int = 0
        names: actors.Log[str]
        counts: actors.Map[str, int]

        @actors.handler
        async def run(self, what: str) -> int:
            self.seen += 1
            self.names.append(what)
            text = await fetch(what)
            count = parse(text)
            await store(count)
            self.total += count
            self.counts[what] = self.counts.get(what, 0) + count
            await actors.signal("go", str)
            return self.total
"""
FIXED = APP.replace('raise ValueError(f"cannot parse {{text!r}}")', "return int(text.partition(' ')[0])")
assert FIXED != APP


async def begun(runtime: Runtime, shop: Shop, key: str = "k") -> InvocationHandle[Any]:
    handle: InvocationHandle[Any] = await runtime.client.actor(shop.app.Import, key).run.send("a")
    await waits(handle)
    return handle


async def stands(handle: InvocationHandle[Any], status: Status) -> None:
    """Let it come to a status."""
    with trio.fail_after(60):
        while (await handle.info()).status is not status:
            await trio.sleep(0.1)


async def test_pause_what_hits_a_parsing_bug_deploy_the_fix_check_resume_and_repeat_no_finished_step(
    shop: Shop,
) -> None:
    shop.write(1, APP)
    async with shop.running() as runtime:
        imports = [await runtime.client.actor(shop.app.Import, f"k{n}").run.send("a") for n in range(5)]
        for handle in imports:
            await stands(handle, Status.BACKING_OFF)
            await handle.pause(reason="a parsing bug")
        shop.write(2, FIXED)
        path = shop.folder / "src" / "app.py"
        summary = await runtime.client.check(where="status = 'paused'", app=path)
        assert (summary.checked, summary.is_compatible) == (5, True)
        assert [(cohort.verdict, cohort.count) for cohort in summary.cohorts] == [(Verdict.SAME, 5)]
        before = await runtime.client.check(where="status = 'paused'", deployment="latest")
        assert [(cohort.verdict, cohort.count) for cohort in before.cohorts] == [(Verdict.RAISES, 5)]
        assert before.cohorts[0].summary == "raises ValueError: cannot parse '3 apples'"
        await runtime.client.register_deployment(path)
        for handle in imports:
            report = await handle.resume(deployment="latest", dry_run=True)
            assert report.is_compatible, report.summary
            await handle.resume(deployment="latest", reason="fixed")
            await waits(handle)
            await handle.signal("go", "on")
            assert await handle.result() == 3
    assert WORLD.count("fetch a") == 5, "finished steps are not repeated"
    assert WORLD.count("store 3") == 5


async def test_all_that_match_are_moved_to_the_fix_by_one_job(shop: Shop) -> None:
    shop.write(1, APP)
    async with shop.running() as runtime:
        imports = [await runtime.client.actor(shop.app.Import, f"k{n}").run.send("a") for n in range(20)]
        for handle in imports:
            await stands(handle, Status.BACKING_OFF)
        stuck = runtime.client.jobs.where("service = 'Import' and last_error_type = 'builtins.ValueError'")
        await (await stuck.pause(reason="a parsing bug")).result()
        two = shop.write(2, FIXED)
        await runtime.client.register_deployment(shop.folder / "src" / "app.py")
        result = await (await stuck.resume(deployment="latest", reason="fixed")).result()
        assert (result.total, result.changed) == (20, 20)
        for handle in imports:
            await waits(handle)
            assert (await handle.info()).deployment == two
        assert (await runtime.client.deployments.get(two)).open_invocations == 20
    assert WORLD.entries.count("fetch a") == WORLD.entries.count("store 3") == 20


async def test_the_same_code_keeps_everything_of_open_and_of_ended_ones(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        for _ in range(2):
            handle = await begun(runtime, shop)
            report = await handle.check()
            assert (report.verdict, report.changed, report.new) == (Verdict.SAME, 0, 0)
            await handle.signal("go", "on")
            await handle.result()
        ended = await runtime.client.check(service="Import")
        assert [(cohort.verdict, cohort.count) for cohort in ended.cohorts] == [(Verdict.SAME, 2)]
        example = ended.cohorts[0].example
        assert example.kept == len(example.operations) > 5
        assert example.outcome == example.recorded_outcome
        assert example.outcome is not None
        assert example.outcome.value == 6, "the second one saw what the first had left"
    assert WORLD.entries == ["fetch a", "store 3"] * 2, "nothing was executed by checking"


async def test_a_check_writes_nothing_and_calls_nobody(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        contents = shop.lab.store.contents()
        shop.write(2, FIXED.replace("await store(count)", "await store(count)\n            await store(-1)"))
        report = await handle.check(app=shop.folder / "src" / "app.py")
        assert report.verdict is Verdict.DIVERGES
        assert shop.lab.store.contents() == contents
    assert WORLD.entries == ["fetch a", "store 3"]


async def test_a_divergence_names_both_operations_and_both_lines(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        shop.write(2, FIXED.replace("await store(count)", "await actors.sleep(1)"))
        report = await handle.check(app=shop.folder / "src" / "app.py")
    assert report.verdict is Verdict.DIVERGES
    at = report.divergence
    assert at is not None
    assert at.recorded.startswith("step 'store'")
    assert at.attempted.startswith("a sleep")
    line = next(n for n, text in enumerate(FIXED.splitlines()) if "await store(count)" in text)
    assert (at.recorded_source, at.attempted_source) == (f"app.py:{line + 1}", f"app.py:{line + 1}")
    assert at.position == report.kept
    assert "diverges after" in report.summary


async def test_fields_that_are_left_otherwise_are_named_with_both_values(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        shop.write(2, FIXED.replace("self.total += count", "self.total += 10 * count"))
        report = await handle.check(app=shop.folder / "src" / "app.py")
    assert report.verdict is Verdict.DIVERGES
    assert report.divergence is not None
    assert [(d.field, d.recorded, d.attempted) for d in report.divergence.fields] == [("total", 3, 30)]


async def test_what_new_code_does_behind_what_is_recorded_is_new_and_no_divergence(shop: Shop) -> None:
    shop.write(
        1, FIXED.replace('await actors.signal("go", str)', 'await actors.signal("go", str)\n            parse("x")')
    )
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        await handle.signal("go", "on")
        await stands(handle, Status.BACKING_OFF)
        assert (await handle.check(deployment="keep")).verdict is Verdict.RAISES
        shop.write(2, FIXED.replace("return self.total", 'await fetch("more")\n            return self.total'))
        report = await handle.check(app=shop.folder / "src" / "app.py")
    assert (report.verdict, report.new) == (Verdict.SAME, 1)
    assert [one.attempted.partition(" (")[0] for one in report.operations if one.fate is OperationStatus.NEW] == [
        "step 'fetch'"
    ]


async def test_a_renamed_step_is_kept_under_its_alias_and_shown_as_changed(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        renamed = FIXED.replace("store(", "save(")
        shop.write(2, renamed)
        assert (await handle.check(app=shop.folder / "src" / "app.py")).verdict is Verdict.DIVERGES
        at = renamed.index("@actors.step\n    async def save")
        aliased = renamed[:at] + "@actors.step(aliases=('store',))" + renamed[at + len("@actors.step") :]
        two = shop.write(3, aliased)
        report = await handle.check(app=shop.folder / "src" / "app.py")
        assert (report.verdict, report.changed) == (Verdict.SAME, 1)
        (changed,) = [one for one in report.operations if one.fate is OperationStatus.CHANGED]
        assert changed.differences == ("name: store → save",)
        await runtime.client.register_deployment(shop.folder / "src" / "app.py")
        await handle.pause()
        await handle.resume(deployment=two)
        await handle.signal("go", "on")
        assert await handle.result() == 3
    assert WORLD.entries == ["fetch a", "store 3"]


async def test_a_patched_addition_leaves_old_runs_as_they_are_and_changes_new_ones(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        bare = FIXED.replace("await store(count)", 'await fetch("audit")\n            await store(count)')
        shop.write(2, bare)
        assert (await handle.check(app=shop.folder / "src" / "app.py")).verdict is Verdict.DIVERGES
        shop.write(3, bare.replace('await fetch("audit")', 'actors.patched("audit") and await fetch("audit")'))
        report = await handle.check(app=shop.folder / "src" / "app.py")
        assert report.is_compatible, report.summary
        await runtime.client.register_deployment(shop.folder / "src" / "app.py")
        await handle.pause()
        await handle.resume(deployment="latest")
        await handle.signal("go", "on")
        assert await handle.result() == 3
        assert WORLD.count("fetch audit") == 0
        await begun(runtime, shop, "new")
        assert WORLD.count("fetch audit") == 1


async def test_code_in_which_something_is_missing_or_no_longer_fits_raises(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        path = shop.folder / "src" / "app.py"
        for change, error in [
            (("async def run(self, what: str)", "async def walk(self, what: str)"), "actors.errors.NotFoundError"),
            (("class Import(", "class Export("), "actors.errors.NotFoundError"),
            (("async def run(self, what: str)", "async def run(self, what: int)"), "actors.errors.NoLongerFitsError"),
            (
                ('-> str:\n        WORLD.note(f"fetch', '-> int:\n        WORLD.note(f"fetch'),
                "actors.errors.NoLongerFitsError",
            ),
        ]:
            shop.write(2, FIXED.replace(*change))
            report = await handle.check(app=path)
            assert report.verdict is Verdict.RAISES
            assert report.failure is not None
            assert report.failure.type == error
        write(shop.folder / "src", app="1/0\n")
        with pytest.raises(actors.errors.BrokenDeploymentError, match="ZeroDivisionError"):
            await handle.check(app=path)


async def test_an_ended_one_that_would_end_otherwise_is_told_apart(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        await handle.signal("go", "on")
        await handle.result()
        shop.write(2, FIXED.replace("return self.total", "return -self.total"))
        report = await handle.check(app=shop.folder / "src" / "app.py")
        assert report.verdict is Verdict.ENDS_OTHERWISE
        assert report.outcome is not None
        assert report.recorded_outcome is not None
        assert (report.outcome.value, report.recorded_outcome.value) == (-3, 3)


async def test_many_are_told_apart_by_where_they_diverge(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        for key in ("a", "b", "c"):
            await begun(runtime, shop, key)
        for _ in range(2):
            other = await runtime.client.actor(shop.app.Import, "d").run.send("a")
        assert (await other.info()).status is Status.RUNNING or (await other.info()).status is Status.QUEUED
        shop.write(2, FIXED.replace("await store(count)", "await actors.sleep(1)"))
        summary = await runtime.client.check(service="Import", app=shop.folder / "src" / "app.py")
        assert [(cohort.verdict, cohort.count) for cohort in summary.cohorts] == [
            (Verdict.DIVERGES, 4),
            (Verdict.SAME, 1),
        ]
        assert summary.checked == 5
        assert not summary.is_compatible
        few = await runtime.client.check(service="Import", limit=2)
        assert (few.checked, few.is_complete) == (2, False)


async def test_what_is_unknown_is_refused(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        with raises(actors.NotFoundError, kind="invocation"):
            await runtime.client.invocation("inv_1" + "0" * 33).check()
        handle = await begun(runtime, shop)
        with raises(actors.NotFoundError, kind="deployment"):
            await handle.check(deployment="dep_0000000000000000")


async def test_code_that_never_waits_raises_and_does_not_hold_up_the_check(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        endless = shop.write(2, APP.replace('raise ValueError(f"cannot parse {{text!r}}")', "while True: pass"))
        await runtime.client.register_deployment(shop.folder / "src" / "app.py")
        report = await handle.check(deployment=endless)
        assert report.verdict is Verdict.RAISES
        assert report.failure is not None
        assert report.failure.type == "actors.errors.BlockedLoopError"


async def test_a_step_with_other_arguments_diverges_and_shows_both(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        shop.write(2, FIXED.replace("await store(count)", "await store(count * 100)"))
        path = shop.folder / "src" / "app.py"
        report = await handle.check(app=path)
        assert report.verdict is Verdict.DIVERGES
        assert report.divergence is not None
        assert report.divergence.recorded.endswith("with [3]")
        assert report.divergence.attempted.endswith("with [300]")
        await runtime.client.register_deployment(path)
        await handle.pause()
        with pytest.raises(actors.errors.IncompatibleError):
            await handle.resume(deployment="latest")
        await handle.resume(deployment="latest", check=False)
        await stands(handle, Status.PAUSED)
        info = await handle.info()
        assert "with [300]" in info.pause_reason
        shop.write(3, FIXED.replace("await store(count)", "await store(count=count)"))
        assert (await handle.check(app=path)).is_compatible, "by name it is the same"


async def test_a_restart_on_other_code_gives_its_step_the_argument_of_that_code(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        shop.write(2, FIXED.replace("await store(count)", "await store(count * 100)"))
        await runtime.client.register_deployment(shop.folder / "src" / "app.py")
        with pytest.raises(actors.errors.IncompatibleError) as refusal:
            await handle.restart("end", deployment="latest", dry_run=True)
        assert refusal.value.details["step"] == "2"
        answer = await handle.restart("store", deployment="latest", stop="kill")
        await waits(runtime.client.invocation(answer.successor.invocation_id))
        assert [ref.name for ref in answer.successor.again] == ["store"]
    assert WORLD.entries == ["fetch a", "store 3", "store 300"]


async def test_other_input_is_tried_on_the_code_that_was_kept_though_it_is_not_loaded(shop: Shop) -> None:
    shop.write(1, FIXED)
    async with shop.running() as runtime:
        handle = await begun(runtime, shop)
        await handle.kill()
    shop.write(2, FIXED.replace("fetch(what)", 'fetch("x")'))
    async with shop.running() as runtime:
        again = runtime.client.invocation(handle.id)
        with pytest.raises(actors.errors.IncompatibleError):
            await again.restart("end", input="b")
        answer = await again.restart("fetch", input="b", deployment="latest", rewind_state=True)
        await waits(runtime.client.invocation(answer.successor.invocation_id))
    assert WORLD.entries == ["fetch a", "store 3", "fetch x", "store 3"]


PUTS = """
    import actors
    from typing import Any

    class Shelf(actors.Actor):
        @actors.handler
        async def put(self, p: Any) -> Any:
            return p
"""


async def test_an_argument_means_the_same_on_code_with_one_parameter_more(shop: Shop) -> None:
    shop.write(1, PUTS)
    async with shop.running() as runtime:
        handle = await runtime.client.actor(shop.app.Shelf, "k").put.send({"p": 3})
        assert await handle.result() == {"p": 3}
        path = shop.folder / "src" / "app.py"
        shop.write(2, PUTS.replace("p: Any", "p: Any, q: int"))
        await runtime.client.register_deployment(path)
        assert not (await handle.check()).is_compatible
        with pytest.raises(actors.errors.IncompatibleError):
            await handle.restart(deployment="latest")
        shop.write(3, PUTS.replace("p: Any", "p: Any, q: int = 0"))
        await runtime.client.register_deployment(path)
        assert (await handle.check()).is_compatible
        answer = await handle.restart(deployment="latest")
        assert await runtime.client.invocation(answer.successor.invocation_id).result() == {"p": 3}

"""A check over a connection is the same check; code on disk stays on its disk."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
import trio
from click.testing import CliRunner

import actors
from actors.code.discovery import snapshot_of
from actors.code.loading import load, unload
from actors.core.jobs import ItemResult
from cli.exit_codes import Exit, exit_code_of
from cli.main import root
from journal.events import Target
from tests.cli.test_check import APP
from tests.counter import Counter
from tests.deployments.apps import write
from tests.http.served import Served, serving
from tests.raising import raises

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from click.testing import Result

    from actors.model.handles import InvocationHandle


@asynccontextmanager
async def checked(tmp_path: Path) -> AsyncIterator[tuple[Served, InvocationHandle[Any]]]:
    """A server whose latest code diverges from what an invocation has done."""
    snapshot = snapshot_of(write(tmp_path / "src", app=APP) / "app.py")
    loaded = load(snapshot, tmp_path / "served")
    try:
        async with serving(tmp_path, *loaded.classes, code=snapshot) as served:
            handle = await served.runtime.client.service(loaded.module("app").Import).run.send("a")
            with trio.fail_after(30):
                while not any(wait.kind == "signal" for wait in (await handle.info()).waits):
                    await trio.sleep(0.01)
            write(tmp_path / "src", app=APP.replace("await fetch(what)", "str(await actors.sleep(1))"))
            await served.runtime.client.register_deployment(tmp_path / "src" / "app.py")
            yield served, handle
    finally:
        unload(snapshot.deployment)


async def test_both_clients_report_the_same(tmp_path: Path) -> None:
    async with checked(tmp_path) as (served, handle), served.client() as remote:
        for deployment in ("latest", "keep"):
            report = await remote.invocation(handle.id).check(deployment=deployment)
            assert report == await handle.check(deployment=deployment)
            assert report.is_compatible == (deployment == "keep")
        assert await handle.resume(deployment="latest", dry_run=True) == await remote.invocation(handle.id).check()
        for options in ({}, {"service": "Import"}, {"where": "status = 'paused'"}, {"limit": 1}):
            assert await remote.check(**options) == await served.runtime.client.check(**options)


async def test_code_on_disk_and_what_is_unknown_are_refused(tmp_path: Path) -> None:
    async with checked(tmp_path) as (served, handle), served.client() as remote:
        with pytest.raises(actors.UnavailableError):
            await remote.invocation(handle.id).check(app=tmp_path / "src" / "app.py")
        with raises(actors.NotFoundError, kind="deployment"):
            await remote.invocation(handle.id).check(deployment="dep_0000000000000000")
        with raises(actors.NotFoundError, kind="invocation"):
            await remote.invocation("inv_1" + "0" * 33).check()


async def test_what_rests_on_a_history_that_is_gone_is_a_refusal_of_its_own(tmp_path: Path) -> None:
    async with serving(tmp_path, Counter) as served, served.client() as remote:
        first, second = [await remote.actor(Counter, "a").add.send(amount) for amount in (1, 2)]
        assert await second.result() == 3
        await first.purge()
        for one in (second, served.runtime.client.invocation(second.id)):
            with raises(actors.NotFoundError, kind="history", code="gone"):
                await one.check()
        assert (await served.http.get(f"/invocations/{second.id}/check")).status_code == 410
        refused = (await asked(served, "check", second.id)).exception
        assert isinstance(refused, actors.NotFoundError)
        assert exit_code_of(refused) is Exit.REFUSED
        assert (await asked(served, "check", "--where", "true")).exit_code == 6
        with raises(actors.NotFoundError, kind="invocation"):
            await first.check()


async def test_a_check_of_many_tells_how_far_it_has_come_and_at_last_what_both_clients_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.control.local.checks.PROGRESS_SECONDS", 0.0)
    async with checked(tmp_path) as (served, handle), served.client() as remote:
        others = [await remote.send_by_name(Target("Import", None, "run"), b'"b"') for _ in range(29)]
        with trio.fail_after(30):
            while (await remote.query("select count(*) from sys_invocation where awaited_signal = 'go'")).rows != [
                [30]
            ]:
                await trio.sleep(0.01)
        told = await streamed(served, {"deployment": "latest", "status": ["running", "suspended"]})
        assert [summary["checked"] for summary in told] == list(range(31))
        assert {summary["wanted"] for summary in told} == {30}
        assert [(cohort["verdict"], cohort["count"]) for cohort in told[-1]["cohorts"]] == [
            ("same", 29),
            ("diverges", 1),
        ]
        assert len(told[-1]["cohorts"][0]["samples"]) == 10
        whole = await remote.check(limit=250_000)
        assert msgspec.json.decode(msgspec.json.encode(whole)) == told[-1]
        gone = "inv_1" + "0" * 33
        (*_, some) = await streamed(served, {"ids": [others[0].invocation_id, gone, handle.id, handle.id]})
        assert (some["wanted"], some["checked"], some["skipped_count"], some["skipped"][0][0]) == (3, 2, 1, gone)
        for wrong in ({"where": "nothing = 1"}, {"where": "true", "ids": [gone]}, {"refused_by": "job_none"}):
            answer = await served.http.post("/checks", json=wrong, headers={"accept": "text/event-stream"})
            assert answer.status_code in (400, 404), answer.text


async def streamed(served: Served, body: dict[str, Any]) -> list[dict[str, Any]]:
    """Everything that a check of many tells."""
    headers = {"accept": "text/event-stream"}
    answer = await served.http.post("/checks?limit=250000", json=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return [msgspec.json.decode(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


async def asked_of_jobs(served: Served, *arguments: str) -> Result:
    command = ["jobs", *arguments, "--url", served.url, "--token", served.token]
    return await trio.to_thread.run_sync(lambda: CliRunner().invoke(root, command))


async def asked(served: Served, *arguments: str) -> Result:
    command = ["invocations", *arguments, "--url", served.url, "--token", served.token]
    return await trio.to_thread.run_sync(lambda: CliRunner().invoke(root, command))


async def test_a_server_that_is_named_checks_on_its_own_code(tmp_path: Path) -> None:
    async with checked(tmp_path) as (served, handle):
        result = await asked(served, "check", handle.id)
        assert (result.exit_code, "attempted: a sleep" in result.stdout) == (1, True), result.output
        assert (await asked(served, "check", handle.id, "--deployment", "keep")).exit_code == 0
        assert (await asked(served, "check", "--where", "service = 'Import'", "--deployment", "latest")).exit_code == 1
        result = await asked(served, "check", "--where", "false")
        assert (result.exit_code, "nothing was checked" in result.stderr) == (4, True)
        assert (await asked(served, "check", handle.id, "--app", "app.py")).exit_code == 2


async def test_a_dry_run_of_a_resume_is_a_check_and_changes_nothing(tmp_path: Path) -> None:
    async with checked(tmp_path) as (served, handle):
        before = await handle.info()
        result = await asked(served, "resume", handle.id, "--deployment", "latest", "--dry-run")
        assert (result.exit_code, "diverges after 0" in result.stdout) == (1, True), result.output
        assert (await asked(served, "resume", handle.id, "--dry-run")).exit_code == 0
        assert await handle.info() == before


@pytest.mark.parametrize("verb", ["resume", "restart"])
async def test_what_would_be_paused_at_once_is_refused_where_compatible_code_is_required(
    tmp_path: Path, verb: str
) -> None:
    async with checked(tmp_path) as (served, handle), served.client() as remote:
        await handle.pause(mode="now")
        before, events = await handle.info(), [event async for event in handle.events()]
        options: dict[str, Any] = {"deployment": "latest", "reason": "try"}
        if verb == "restart":
            options |= {"from_step": "signal 'go'", "stop": "kill"}
            options["from_step"] = (await steps(handle))[-1]
        for one in (handle, remote.invocation(handle.id)):
            with pytest.raises(actors.errors.IncompatibleError) as raised:
                await getattr(one, verb)(**options)
            assert raised.value.details["position"] == 0
            assert raised.value.details["recorded_source"] == "app.py:13"
        given = ["--from", options["from_step"], "--stop", "kill"] if verb == "restart" else []
        result = await asked(served, verb, handle.id, "--deployment", "latest", *given)
        assert (result.exit_code, "attempted a sleep" in result.stderr) == (3, True), result.output
        assert (await handle.info(), [event async for event in handle.events()]) == (before, events)
        audit = await remote.audit(target=handle.id, verb=verb)
        assert [entry.refusal.partition(":")[0] for entry in audit.entries] == ["incompatible"] * 3
        assert (await remote.invocation(handle.id).resume()).changed


@pytest.mark.parametrize("verb", ["resume", "restart"])
async def test_a_job_moves_those_that_are_compatible_and_says_of_the_others_where_they_diverge(
    tmp_path: Path, verb: str
) -> None:
    async with checked(tmp_path) as (served, diverges), served.client() as remote:
        await diverges.pause(mode="now")
        await remote.gates.close("service:Import")
        before = await diverges.info()
        fits = await remote.send_by_name(before.target, b'"b"')  # it has not begun, so any code will do
        await remote.invocation(fits.invocation_id).pause()
        given = ["--stop", "kill", "--from", (await steps(diverges))[-1]] if verb == "restart" else []
        words = ["--where", "status = 'paused'", "--deployment", "latest", "--yes", *given]
        result = await asked(served, verb, *words, "-o", "id")
        job = remote.jobs.job(result.stdout.strip())
        items = {item.id: item async for item in job.items()}
        refused = items[diverges.id]
        assert (refused.result, refused.error) == (ItemResult.REFUSED, "incompatible")
        assert await diverges.info() == before
        if verb == "resume":
            assert result.exit_code == 6
            assert items[fits.invocation_id].result is ItemResult.CHANGED
            assert (await remote.invocation(fits.invocation_id).info()).deployment != before.deployment
        shown = await asked_of_jobs(served, "items", job.id, "--refused")
        assert "attempted a sleep" in shown.stdout


async def test_what_was_moved_by_a_request_is_not_checked_anew_when_the_request_comes_again(tmp_path: Path) -> None:
    async with checked(tmp_path) as (_, handle):
        await handle.pause(mode="now")
        first = await handle.resume(deployment="keep", idempotency_key="once")
        again = await handle.resume(deployment="latest", idempotency_key="once")
        assert first.changed
        assert (again.changed, again.before) == (first.changed, first.before)
        with pytest.raises(actors.errors.IncompatibleError):
            await handle.resume(deployment="latest", idempotency_key="another")


async def test_a_restart_needs_code_that_gets_through_what_it_keeps_and_no_further(tmp_path: Path) -> None:
    async with checked(tmp_path) as (_, handle):
        await handle.pause(mode="now")
        answer = await handle.restart("fetch", deployment="latest", stop="kill")
        assert answer.changed
        assert answer.successor.kept == ()


async def steps(handle: InvocationHandle[Any]) -> list[str]:
    """The paths of what it has asked for."""
    return [event.details["step"] async for event in handle.events() if "step" in event.details]

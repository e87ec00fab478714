"""``playhead audit`` on a data directory at rest: who did what, and whether anybody has tampered with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import trio
from click.testing import CliRunner, Result

import actors
from actors import Service, handler
from cli.exit_codes import Exit, exit_code_of
from cli.main import root
from journal import keys
from journal.events import Target
from journal.ids import StreamId
from journal.log.open import open_journal
from journal.log.protocol import Append

if TYPE_CHECKING:
    from pathlib import Path


class Slow(Service):
    @handler
    async def work(self) -> None:
        await actors.signal("go")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    async def fill() -> None:
        async with actors.open_runtime(Slow, path=tmp_path / "data") as runtime:
            sent = await runtime.client.send_by_name(Target("Slow", None, "work"))
            ada = runtime.client.acting_as("token:ada", "10.0.0.1:1")
            await ada.invocation(sent.invocation_id).pause(reason="database maintenance")
            await ada.invocation(sent.invocation_id).resume(reason="done")

    trio.run(fill)
    return tmp_path / "data"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(root, ["audit", *arguments])


def test_it_says_who_paused_this_when_and_why(data: Path) -> None:
    result = run("--verb", "pause", "--data", str(data))
    (line,) = result.stdout.splitlines()[1:]
    assert "token:ada" in line
    assert "10.0.0.1:1" in line
    assert "pause (drain)" in line
    assert line.endswith("database maintenance")
    (entry,) = json.loads(run("--verb", "pause", "-o", "json", "--data", str(data)).stdout)
    assert (entry["by"], entry["reason"], entry["after"]) == ("token:ada", "database maintenance", "paused")


UNKNOWN = ["Nope", "Nope/key", "Slow/nope", "token:nobody", "dep_nope", "job_nope", f"inv_1{'0' * 33}"]


@pytest.mark.parametrize("target", UNKNOWN)
def test_a_target_that_does_not_exist_is_an_error(data: Path, target: str) -> None:
    result = run("--target", target, "--data", str(data))
    raised = result.exception
    code = result.exit_code if raised is None or isinstance(raised, SystemExit) else exit_code_of(raised)
    assert (code, result.stdout) == (Exit.NOT_FOUND, "")


@pytest.mark.parametrize("target", ["Slow", "Slow/work", "service:Slow", "everything"])
def test_a_target_of_which_nothing_was_asked_is_an_empty_list(data: Path, target: str) -> None:
    result = run("--target", target, "--data", str(data))
    assert (result.exit_code, len(result.stdout.splitlines())) == (Exit.DONE, 1)


def test_a_target_that_is_gone_is_known_by_what_was_asked_of_it(data: Path) -> None:
    first = json.loads(run("--verb", "pause", "-o", "json", "--data", str(data)).stdout)[0]
    result = run("--target", first["target"], "--verb", "purge", "--data", str(data))
    assert result.exit_code == Exit.DONE


def test_pages_follow_each_other(data: Path) -> None:
    every = json.loads(run("--all", "-o", "json", "--data", str(data)).stdout)
    first = run("--limit", "1", "-o", "json", "--data", str(data))
    second = run("--after", first.stderr.split()[-1], "-o", "json", "--data", str(data))
    assert json.loads(first.stdout) + json.loads(second.stdout) == every
    assert (first.stderr.startswith("1 shown; more exist: --all"), second.stderr) == (True, "")


def test_a_row_that_was_taken_out_is_found(data: Path) -> None:
    assert run("--check", "--data", str(data)).exit_code == 0

    async def tamper() -> None:
        async with open_journal(data) as journal, journal.claim(0, "a thief") as partition:
            row = Append.of(stream=StreamId(0), expected=0, events=[], rows={keys.audit(0, 1): None})
            await partition.commit([row])

    trio.run(tamper)
    result = run("--check", "--data", str(data))
    assert result.exit_code == 1
    assert "row 1 is missing" in result.stderr

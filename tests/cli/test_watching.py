"""What a shell shows of an invocation while it goes on, and when it has ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.cli.shell import Shell
from tests.cli.shell import shell as opened_shell
from tests.terminal import ROOT, Terminal, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Terminal]:
    with terminal(tmp_path) as opened:
        opened.done(f"playhead serve {ROOT / 'examples' / 'approval.py'} &")
        yield opened


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with opened_shell(tmp_path) as opened:
        opened.start(ROOT / "examples" / "approval.py")
        yield opened


SUBMIT = """playhead send Expenses/submit '{"what": "a chair", "amount": 300}'"""
DECIDE = """playhead invocations signal $id decision '{"approved": true, "by": "ada"}'"""


def test_follow_shows_every_event_and_ends_with_the_invocation(process: Terminal) -> None:
    process.done(f"id=$({SUBMIT})")
    process.done(
        "playhead invocations follow $id > followed & follower=$!; until grep -q SignalAwaited followed; do sleep 0.05; done"
    )
    process.done(DECIDE)
    process.done("wait $follower")
    names = [line.split()[2] for line in (process.folder / "followed").read_text().splitlines()]
    assert names == [
        "InvocationAccepted",
        "InvocationStarted",
        "DeadlineScheduled",
        "SignalAwaited",
        "SignalReceived",
        "WaitDropped",
        "InvocationCompleted",
    ]


def test_follow_as_json_is_a_line_an_event_and_goes_on_behind_a_number(shell: Shell) -> None:
    shell.variables["id"] = shell.done(SUBMIT)
    shell.done(DECIDE)
    entries = [msgspec.json.decode(line) for line in shell.done("playhead invocations follow $id -o json").splitlines()]
    last_two = shell.done(f"playhead invocations follow $id -o json --after {entries[-3]['number']}").splitlines()
    assert [msgspec.json.decode(line) for line in last_two] == entries[-2:]


def test_describe_shows_the_result(shell: Shell) -> None:
    shell.variables["id"] = shell.done(SUBMIT)
    shell.done(DECIDE)
    shell.done("playhead invocations follow $id")
    assert 'result      "a chair: paid, says ada"' in shell.done("playhead invocations describe $id")


def test_a_process_that_holds_the_directory_and_takes_no_calls_is_named(process: Terminal) -> None:
    held = (
        'python -c "import trio, actors; from examples.counter import Counter\n'
        "async def main():\n"
        "    async with actors.open_runtime(Counter, path='embedded', socket=False):\n"
        "        print('open', flush=True); await trio.sleep_forever()\n"
        'trio.run(main)" > said & until grep -q open said; do sleep 0.05; done'
    )
    process.done(held)
    said = process.run("playhead call Counter/alice/add 5 --data embedded")
    assert said.code == 5
    assert "holds embedded and accepts no calls" in said.err

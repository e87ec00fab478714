"""The peers are asked fairly and told truly. None of the others is needed for that: a test asks playhead, and some that are made up."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from click.testing import CliRunner

import benchmarks.__main__ as commands
from benchmarks.__main__ import main
from benchmarks.machine import this_machine
from benchmarks.measure import Spread
from benchmarks.peers import contest, standing
from benchmarks.peers.asking import ASKED, Asked, ask
from benchmarks.peers.environments import ENVIRONMENTS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Obliging:
    """Answers at once, and knows how much was asked of it at a time."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.most = self.now = self.count = 0

    async def call(self, key: str) -> object:
        self.keys.add(key)
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        self.now -= 1
        self.count += 1
        return None

    queue = send = call

    async def work(self, number: int) -> object:
        return await self.call(f"key-{number}")


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name)
def test_a_question_has_as_many_in_flight_over_as_many_keys_as_its_name_says(asked: Asked) -> None:
    peer = Obliging()
    began = time.perf_counter()
    told = asyncio.run(ask(peer, asked, 0.05))
    elapsed = time.perf_counter() - began
    assert peer.most == asked.in_flight
    assert peer.keys <= {f"key-{number}" for number in range(asked.keys)}
    assert 0 < told.operations < peer.count, "what warms it up is not counted"
    assert told.rate * elapsed > told.operations * asked.per_operation, "the time that counts is a part of it"
    assert 0 < told.p50_ms <= told.p99_ms


def test_who_is_slow_has_longer_until_each_client_has_two_answers() -> None:
    class Slow(Obliging):
        async def call(self, key: str) -> object:
            await asyncio.sleep(0.04)
            return None

    asked = Asked("slow", "call", "calls/s", in_flight=3)
    told = asyncio.run(ask(Slow(), asked, 0.05))
    assert told.operations >= 2 * asked.in_flight
    assert told.rate < 3 / 0.04 * 1.2, "the time that it took counts, not the time that it was given"


def test_the_command_asks_playhead_in_both_forms_and_leaves_nothing_behind(tmp_path: Path) -> None:
    arguments = ["peers", "playhead", "--runs", "1", "--seconds", "0.1", "--json", "--under", str(tmp_path)]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    told = [msgspec.json.decode(line, type=standing.Kept).standing for line in done.stdout.splitlines()]
    expected = [(peer, asked.name) for peer in ("playhead", "playhead, HTTP") for asked in ASKED]
    assert [(one.peer, one.question) for one in told] == expected
    assert all(one.rate.median > 0 and "playhead" in one.versions for one in told)
    assert not list(tmp_path.iterdir())


def test_who_is_not_installed_is_left_out_and_a_line_says_how_to_install_it(tmp_path: Path) -> None:
    arguments = ["peers", "restate", "--in", str(tmp_path), "--under", str(tmp_path)]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.stdout == ""
    assert "Restate, Python is left out: not installed" in done.stderr
    assert "python -m benchmarks peers --install" in done.stderr


def test_a_program_that_fails_is_told_with_what_it_said(tmp_path: Path) -> None:
    bad = contest.Contender("bad", "playhead", "--no-such-form")
    with pytest.raises(contest.Failed, match=r"(?s)bad ended with exit code 2.*usage:"):
        contest.run_once(bad, tmp_path, seconds=0.1, under=tmp_path)


def test_a_program_that_fails_is_asked_again() -> None:
    asked, remarks = Flaky(failures=2), []
    standings = ask_all(asked, remarks)
    assert [one.peer for one in standings] == ["playhead"]
    assert asked.count == 3
    assert sum("port taken" in remark for remark in remarks) == 2


def test_a_program_that_fails_each_time_is_left_out_and_the_others_are_asked() -> None:
    asked, remarks = Flaky(failures=contest.ATTEMPTS, of="playhead"), []
    standings = ask_all(asked, remarks, contest.CONTENDERS[:2])
    assert [one.peer for one in standings] == ["playhead, HTTP"]
    assert asked.count == contest.ATTEMPTS + 1
    assert any(remark.startswith("playhead is left out: port taken") for remark in remarks)


class Flaky:
    """Asks a peer that fails a number of times before it answers."""

    def __init__(self, *, failures: int, of: str = "playhead") -> None:
        self.left, self.of, self.count = failures, of, 0

    def __call__(self, contender: contest.Contender, *_: object, **__: object) -> list[dict[str, object]]:
        self.count += 1
        if contender.name == self.of and self.left:
            self.left -= 1
            raise contest.Failed("port taken")
        return [{"name": ASKED[0].name, "rate": 1.0, "p50_ms": 1.0, "p99_ms": 1.0, "operations": 1}]


def ask_all(
    asked: Flaky, remarks: list[str], contenders: Sequence[contest.Contender] = contest.CONTENDERS[:1]
) -> list[contest.Standing]:
    return contest.contest(contenders, standing.HERE, runs=1, seconds=1.0, under=None, remark=remarks.append, ask=asked)


def test_a_table_without_other_peers_is_not_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contest, "contest", lambda *_, **__: [stood("playhead", 0, rate=1.0, p50_ms=1.0)])
    done = CliRunner().invoke(main, ["peers", "--record", "--in", str(tmp_path)])
    assert done.exit_code == 1
    assert "nothing is recorded" in done.output


def test_recording_asks_the_peers_and_every_question(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(commands.peers, "callback", lambda **given: asked.append(("peers", given["runs"])))
    monkeypatch.setattr(commands, "_ask", lambda questions, how, _: asked.append((len(questions), how.is_kept)))
    assert CliRunner().invoke(main, ["record", "--runs", "2"], catch_exceptions=False).exit_code == 0
    assert asked == [("peers", 2), (len(commands.QUESTIONS), True)]


def test_a_chart_has_a_bar_for_each_peer_in_proportion() -> None:
    drawn = standing.drawing(
        [stood("playhead", 1, rate=20_000.0, p50_ms=3.0), stood("<Other>", 1, rate=5_000.0, p50_ms=60.0)]
    )
    ours, other = (float(width) for width in re.findall(r'class="bar"[^>]* width="([\d.]+)"', drawn))
    assert ours == pytest.approx(4 * other, rel=0.01)
    assert "&lt;Other&gt;" in drawn
    assert "prefers-color-scheme: dark" in drawn


def test_a_program_ends_with_the_process_that_asks_and_so_does_what_it_has_started(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.peers.playhead", "server", "--room", str(tmp_path), "--seconds", "0.3"]
    environment = os.environ | {"PYTHONPATH": str(contest.ROOT)}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert b"playhead" in program.stdout.readline()
        assert b"one at a time" in program.stdout.readline(), "the server serves"
        program.stdin.close()
        assert program.wait(30) != 0
    found = re.search(r"http://127\.0\.0\.1:(\d+)", (tmp_path / "server.log").read_text())
    assert found is not None
    with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", int(found[1]))):
        pass


def test_each_round_begins_with_another_peer() -> None:
    first = [contest.rotated(contest.CONTENDERS, number)[0] for number in range(3)]
    assert first == list(contest.CONTENDERS[:3])
    assert all(set(contest.rotated(contest.CONTENDERS, number)) == set(contest.CONTENDERS) for number in range(9))


def test_all_that_is_installed_has_a_fixed_version() -> None:
    for environment in ENVIRONMENTS:
        assert all(re.fullmatch(r"[\w.\[\]-]+==[\d.]+", package) for package in environment.python)
        assert all(re.fullmatch(r"(@\w+/)?[\w-]+@[\d.]+", package) for package in environment.npm)
    assert contest.CONTENDERS[0].interpreter(standing.HERE) == sys.executable


def test_the_table_compares_times_as_times_and_rates_as_rates() -> None:
    standings = [
        stood("playhead", 0, rate=1_000.0, p50_ms=0.5),
        stood("Other", 0, rate=500.0, p50_ms=2.0),
        stood("playhead", 1, rate=20_000.0, p50_ms=3.0),
        stood("playhead, HTTP", 1, rate=5_000.0, p50_ms=3.0),
        stood("Other", 1, rate=1_000.0, p50_ms=60.0),
        stood("Another", 1, rate=800.0, p50_ms=60.0),
    ]
    head, one_at_a_time, many, *_ = standing.rows(standings, has_spread=False)
    assert head[1:-1] == ["playhead", "Other", "playhead, HTTP", "Another"]
    assert one_at_a_time[1:] == ["0.500", "2.00", "", "", "4.00 x"]
    assert many[1:] == ["20,000", "1,000", "5,000", "800", "20.0 x"]


def test_the_tables_of_both_readmes_say_what_is_kept() -> None:
    for path in standing.READMES:
        text = path.read_text()
        assert standing.BEGIN in text
        told = standing.filled(text, has_spread=path.parent == standing.HERE)
        assert told == text, "run `python -m benchmarks peers --record`, or take the hand out of it"


def test_what_is_kept_comes_back_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing, "FIGURES", tmp_path)
    monkeypatch.setattr(standing, "KEPT", tmp_path / "peers.jsonl")
    standing.keep([stood("playhead", 0, rate=1_000.0, p50_ms=0.5)], this_machine("fsync", 1.0))
    text = f"before\n{standing.BEGIN}old\n{standing.END}after\n"
    told = standing.filled(text, has_spread=True)
    assert told.startswith(f"before\n{standing.BEGIN}\n|")
    assert told.endswith(f"{standing.END}after\n")
    assert "0.500 (0.500 .. 0.500)" in told
    assert "old" not in told


def stood(peer: str, question: int, *, rate: float, p50_ms: float) -> contest.Standing:
    return contest.Standing(
        peer=peer,
        question=ASKED[question].name,
        runs=1,
        rate=Spread.of([rate]),
        p50_ms=Spread.of([p50_ms]),
        p99_ms=Spread.of([p50_ms]),
        versions={"it": "1"},
    )

"""Runs the peers' programs in turn, round after round, and adds up what they tell."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import msgspec

from benchmarks.measure import Spread
from benchmarks.peers.environments import ENVIRONMENTS

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).parents[2]
ATTEMPTS = 3
"""Runs of a program that fails, in one round: a server may find that its port was taken in the meantime."""


class NotThere(Exception):
    """A peer cannot be asked on this machine."""


class Failed(Exception):
    """A peer's program ended otherwise than by answering everything."""


@attrs.frozen
class Contender:
    """A peer in one of its forms: a column of the table. ``environment`` is where its program runs; none is our own."""

    name: str
    program: str
    form: str
    environment: str | None = None

    def interpreter(self, directory: Path) -> str:
        """The Python that its program needs."""
        if self.environment is None:
            return sys.executable
        (environment,) = (one for one in ENVIRONMENTS if one.name == self.environment)
        if not environment.is_installed(directory):
            raise NotThere(f"not installed in {directory}: python -m benchmarks peers --install")
        return str(environment.interpreter(directory))


CONTENDERS = (
    Contender("playhead", "playhead", "library"),
    Contender("playhead, HTTP", "playhead", "server"),
    Contender("Restate, Python", "restate", "python", "restate"),
    Contender("Restate, TypeScript", "restate", "typescript", "restate"),
    Contender("DBOS, PostgreSQL", "dbos", "postgres", "dbos"),
    Contender("DBOS, SQLite", "dbos", "sqlite", "dbos"),
    Contender("Temporal", "temporal", "server", "temporal"),
)


@attrs.frozen(kw_only=True)
class Line:
    """What a program told about one question, in one run."""

    name: str
    rate: float
    p50_ms: float
    p99_ms: float
    operations: int


@attrs.frozen(kw_only=True)
class Standing:
    """How one peer did in one question, over all rounds."""

    peer: str
    question: str
    runs: int
    rate: Spread
    p50_ms: Spread
    p99_ms: Spread
    versions: dict[str, str]


def run_once(contender: Contender, directory: Path, *, seconds: float, under: Path | None) -> list[dict[str, Any]]:
    """All that its program tells. Whatever it starts ends with it, and where it wrote is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="peer-", dir=under) as room:
        command = [contender.interpreter(directory), "-m", f"benchmarks.peers.{contender.program}", contender.form]
        command += ["--room", room, "--seconds", str(seconds)]
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
        with (
            (Path(room) / "complaints").open("w+b") as complaints,
            subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, env=environment, cwd=ROOT
            ) as process,
        ):
            try:
                assert process.stdout is not None
                told = [msgspec.json.decode(line) for line in process.stdout]
                process.wait()
            finally:
                process.terminate()  # when this one is interrupted: the program ends what it has started
        if process.returncode:
            said = (Path(room) / "complaints").read_text(errors="replace").strip()
            if process.returncode == os.EX_UNAVAILABLE:  # it misses something that is not for us to install
                raise NotThere(said)
            raise Failed(f"{contender.name} ended with exit code {process.returncode}:\n{said}")
    return told


Ask = Callable[..., list[dict[str, Any]]]
"""As :func:`run_once`."""


def contest(
    contenders: Sequence[Contender],
    directory: Path,
    *,
    runs: int,
    seconds: float,
    under: Path | None,
    remark: Callable[[str], None],
    ask: Ask = run_once,
) -> list[Standing]:
    """Every round asks all, each time another first, so that whatever else the machine does befalls all of them.

    A peer whose program fails is asked again. If it fails :data:`ATTEMPTS` times in a round, it is left out of the whole contest,
    as a median of fewer rounds would not compare.
    """

    def answers(contender: Contender) -> list[dict[str, Any]]:
        return _patiently(partial(ask, contender, directory, seconds=seconds, under=under), remark)

    told: dict[Contender, list[list[dict[str, Any]]]] = {contender: [] for contender in contenders}
    for number in range(runs):
        for contender in rotated([*told], number):
            remark(f"round {number + 1}: {contender.name} ...")
            try:
                told[contender].append(answers(contender))
            except (NotThere, Failed) as error:
                del told[contender]
                remark(f"{contender.name} is left out: {error}")
    return [standing for contender, rounds in told.items() for standing in standings(contender.name, rounds)]


def _patiently(ask: Callable[[], list[dict[str, Any]]], remark: Callable[[str], None]) -> list[dict[str, Any]]:
    for left in reversed(range(1, ATTEMPTS)):
        try:
            return ask()
        except Failed as error:
            remark(f"{error}\nIt is asked again; attempts left: {left}.")
    return ask()


def rotated(contenders: Sequence[Contender], by: int) -> list[Contender]:
    """From another one on."""
    start = by % len(contenders) if contenders else 0
    return [*contenders[start:], *contenders[:start]]


def standings(peer: str, rounds: Sequence[Sequence[dict[str, Any]]]) -> list[Standing]:
    """Of all questions, from what was told in each round."""
    versions = {part: number for line in rounds[0] if "rate" not in line for part, number in line.items()}
    lines = [[msgspec.convert(line, Line) for line in told if "rate" in line] for told in rounds]
    return [
        Standing(
            peer=peer,
            question=same[0].name,
            runs=len(same),
            rate=Spread.of([line.rate for line in same]),
            p50_ms=Spread.of([line.p50_ms for line in same]),
            p99_ms=Spread.of([line.p99_ms for line in same]),
            versions=versions,
        )
        for same in zip(*lines, strict=True)
    ]

"""The deep profiles, which take hours where the daily checks take minutes: ``python -m tests.deep``. Exits with 1 if any fails.

``python -m tests.deep storms mutants`` runs those alone; ``--seconds 3600`` gives all of them together about an hour: each gets an
equal share of what is left when its turn comes. Each prints how far it came, of how far it should. A storm that breaks a law is kept
as a file in ``tests/simulation/found``.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]


@attrs.frozen
class Profile:
    """A module to run with its arguments, and the environment that makes it go further.

    ``seconds`` is the variable that says for how long at most; a profile that has none is stopped when its time is over. One of many
    ``rounds`` runs one on each processor, as many as begin in time, and each plays ``each``: ``{round}`` is its number, ``{first}`` and
    ``{last}`` are what it begins with and ends before.
    """

    command: tuple[str, ...]
    environment: dict[str, str] = attrs.field(factory=dict)
    seconds: str = ""
    rounds: int = 1
    each: int = 1


PROFILES = {
    "boundaries": Profile(
        ("pytest", "-s", "tests/crash/test_boundaries.py"),
        {"CRASH_BOUNDARIES_SECONDS": "3600"},
        "CRASH_BOUNDARIES_SECONDS",
    ),
    "damage": Profile(
        ("pytest", "-s", "tests/crash/test_damage.py"),
        {"CRASH_DAMAGE": "1000", "CRASH_DAMAGE_SECONDS": "3600"},
        "CRASH_DAMAGE_SECONDS",
    ),
    "power-cuts": Profile(
        ("pytest", "-s", "tests/crash/test_power_cuts.py"),
        {"CRASH_POWER_CUTS": "3000", "CRASH_POWER_CUTS_SECONDS": "7200"},
        "CRASH_POWER_CUTS_SECONDS",
    ),
    "kills": Profile(
        ("pytest", "-s", "tests/crash/test_kills.py"),
        {"CRASH_KILLS": "5000", "CRASH_KILLS_SECONDS": "7200"},
        "CRASH_KILLS_SECONDS",
    ),
    "transactions": Profile(
        ("pytest", "-s", "tests/integrations/test_transactions.py", "-k", "killed"), {"TRANSACTION_KILLS": "220"}
    ),
    "bulk": Profile(("pytest", "tests/crash/test_bulk.py"), {"BULK_ITEMS": "10000"}),
    "mutants": Profile(("tests.mutants",)),
    "power": Profile(("pytest", "tests/journal/test_power.py"), {"POWER_DEATHS": "500"}),
    "agreement": Profile(("pytest", "tests/journal/test_agreement.py"), {"AGREEMENT_EXAMPLES": "5000"}),
    "programs": Profile(
        (
            "pytest",
            "tests/simulation",
            "--ignore=tests/simulation/test_storms.py",
            "--hypothesis-seed={round}",
        ),
        {"PLAYHEAD_EXAMPLES": "200"},
        rounds=10,
        each=200,
    ),
    "hostile": Profile(
        ("pytest", "tests/hostile/test_users.py", "-k", "stop_nothing", "--hypothesis-seed={round}"),
        {"HOSTILE_EXAMPLES": "200"},
        rounds=100,
        each=200,
    ),
    "requests": Profile(("pytest", "tests/http/test_openapi.py"), {"PLAYHEAD_FUZZ_CASES": "5000"}),
    "long-way": Profile(
        ("pytest", "--long-way", "-s", "tests/engine", "tests/hostile", "tests/simulation", "tests/stories"),
        {"PLAYHEAD_SEEDS": "0-20000", "PLAYHEAD_SECONDS": "3600"},
        "PLAYHEAD_SECONDS",
    ),
    "replicated": Profile(("pytest", "--replicated", "tests/engine", "tests/stories", "tests/hostile")),
    "nats": Profile(
        ("pytest", "tests/journal", "tests/cli/test_nats_cluster.py", "-k", "nats"),
        {"NATS_SERVERS": "3", "NATS_ROUNDS": "20"},
    ),
    "objects": Profile(
        ("pytest", "tests/journal", "tests/cli/test_object_cluster.py", "-k", "object"),
        {"OBJECT_STORE": "s3", "OBJECT_ROUNDS": "20"},
    ),
    "storms": Profile(
        ("pytest", "-s", "tests/simulation/test_storms.py", "-k", "no_storm"),
        {"PLAYHEAD_SEEDS": "{first}-{last}", "PLAYHEAD_SECONDS": "3600"},
        rounds=250,
        each=2_000,
    ),
}


@attrs.frozen
class End:
    """How a profile ended, in words."""

    has_failed: bool
    text: str


def run(profile: Profile, seconds: float | None) -> End:
    """Run a profile for at most so many seconds, as long as it takes if None."""
    if profile.rounds > 1:
        return _run_rounds(profile, seconds)
    environment = os.environ | profile.environment
    if seconds is not None and profile.seconds:
        environment[profile.seconds] = str(seconds)
    limit = None if seconds is None or profile.seconds else seconds
    with subprocess.Popen(
        [sys.executable, "-m", *profile.command], cwd=ROOT, env=environment, process_group=0
    ) as process:
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            return End(False, "was stopped when its time was over")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # it may have processes of its own
    return End(code != 0, "failed" if code else "passed")


def _run_rounds(profile: Profile, seconds: float | None) -> End:
    began, numbers, lock = time.monotonic(), iter(range(profile.rounds)), Lock()
    ended, failed = count(), count()

    def next_numbers() -> Iterator[int]:
        while seconds is None or time.monotonic() - began < seconds:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            yield number

    def work() -> None:
        for number in next_numbers():
            output = _play_round(profile, number)
            next(ended)
            if output is not None:
                next(failed)
                print(output, flush=True)

    with ThreadPoolExecutor() as pool:
        for future in [pool.submit(work) for _ in range(os.cpu_count() or 1)]:
            future.result()
    played, wrong = next(ended), next(failed)
    text = f"{played * profile.each:,} of {profile.rounds * profile.each:,} were played, {wrong} rounds failed"
    return End(wrong > 0, text)


def _play_round(profile: Profile, number: int) -> str | None:
    """What it printed, if it failed."""
    given = {"round": number, "first": number * profile.each, "last": (number + 1) * profile.each}
    command = [word.format(**given) for word in profile.command]
    environment = {name: value.format(**given) for name, value in profile.environment.items()}
    ran = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return ran.stdout if ran.returncode else None


def main(arguments: list[str]) -> int:
    """Run all of them, or those that are named, also after one has failed; the exit code."""
    parser = argparse.ArgumentParser("python -m tests.deep", description=__doc__)
    parser.add_argument("profile", nargs="*", help=f"some of {', '.join(PROFILES)}; all if none is named")
    parser.add_argument("--seconds", type=float, help="for all of them together")
    options = parser.parse_args(arguments)
    names = options.profile or [*PROFILES]
    unknown = [name for name in names if name not in PROFILES]
    if unknown:
        parser.error(f"there is no profile {', '.join(unknown)}; there are {', '.join(PROFILES)}")
    started = time.monotonic()
    failed: list[str] = []
    for place, name in enumerate(names):
        began = time.monotonic()
        left = None if options.seconds is None else max(started + options.seconds - began, 0.0) / (len(names) - place)
        end = run(PROFILES[name], left)
        print(f"{name}: {end.text}, in {time.monotonic() - began:.0f} s", flush=True)
        if end.has_failed:
            failed.append(name)
    if failed:
        print(f"FAILED: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

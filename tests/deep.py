"""The deep profiles, which take hours where the daily checks take minutes: ``python -m tests.deep``. Exits with 1 if any fails.

``python -m tests.deep storms mutants`` runs those alone; ``--seconds 3600`` gives all of them together about an hour. Each prints how far
it came, of how far it should. A storm that breaks a law is kept as a file in ``tests/simulation/found``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[1]


@attrs.frozen
class Profile:
    """Modules to run with their arguments, and the environment that makes them go further. ``seconds`` is the variable that says for how
    long at most; one that has none is stopped when its time is over."""

    command: tuple[str, ...]
    environment: dict[str, str] = attrs.field(factory=dict)
    seconds: str = ""


PROFILES = {
    "storms": Profile(
        ("pytest", "-s", "tests/simulation/test_storms.py"),
        {"PLAYHEAD_SEEDS": "0-500000", "PLAYHEAD_SECONDS": "43200"},
        "PLAYHEAD_SECONDS",
    ),
    "mutants": Profile(("tests.mutants",)),
    "programs": Profile(
        ("pytest", "tests/simulation", "--ignore=tests/simulation/test_storms.py"), {"PLAYHEAD_EXAMPLES": "2000"}
    ),
    "hostile": Profile(("pytest", "tests/hostile/test_users.py"), {"HOSTILE_EXAMPLES": "20000"}),
    "kills": Profile(
        ("pytest", "-s", "tests/crash/test_kills.py"),
        {"CRASH_KILLS": "5000", "CRASH_KILLS_SECONDS": "7200"},
        "CRASH_KILLS_SECONDS",
    ),
    "power-cuts": Profile(
        ("pytest", "-s", "tests/crash/test_power_cuts.py"),
        {"CRASH_POWER_CUTS": "3000", "CRASH_POWER_CUTS_SECONDS": "7200"},
        "CRASH_POWER_CUTS_SECONDS",
    ),
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
    "power": Profile(("pytest", "tests/journal/test_power.py"), {"POWER_DEATHS": "500"}),
    "agreement": Profile(("pytest", "tests/journal/test_agreement.py"), {"AGREEMENT_EXAMPLES": "5000"}),
}


def run(name: str, seconds: float | None) -> str:
    """Run a profile; how it went."""
    profile = PROFILES[name]
    environment = os.environ | profile.environment
    if seconds is not None and profile.seconds:
        environment[profile.seconds] = str(seconds)
    limit = None if seconds is None or profile.seconds else seconds
    try:
        ran = subprocess.run([sys.executable, "-m", *profile.command], cwd=ROOT, env=environment, timeout=limit)
    except subprocess.TimeoutExpired:
        return "not over when its time was, nothing failed"
    return "failed" if ran.returncode else "passed"


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
    seconds = None if options.seconds is None else options.seconds / len(names)
    failed: list[str] = []
    for name in names:
        began = time.monotonic()
        how = run(name, seconds)
        print(f"{name}: {how} in {time.monotonic() - began:.0f} s", flush=True)
        if how == "failed":
            failed.append(name)
    if failed:
        print(f"FAILED: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

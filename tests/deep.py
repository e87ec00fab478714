"""The deep profiles, which take hours where the daily checks take minutes: ``python -m tests.deep``. Exits with 1 if any fails.

``python -m tests.deep storms mutants`` runs those alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import attrs

ROOT = Path(__file__).parents[1]


@attrs.frozen
class Profile:
    """Modules to run with their arguments, and the environment that makes them go further."""

    command: tuple[str, ...]
    environment: dict[str, str] = attrs.field(factory=dict)


PROFILES = {
    "storms": Profile(
        ("pytest", "-s", "tests/simulation/test_storms.py"),
        {"PLAYHEAD_SEEDS": "0-100000", "PLAYHEAD_SECONDS": "14400"},
    ),
    "mutants": Profile(("tests.mutants",)),
    "programs": Profile(
        ("pytest", "tests/simulation", "--ignore=tests/simulation/test_storms.py"), {"PLAYHEAD_EXAMPLES": "2000"}
    ),
    "hostile": Profile(("pytest", "tests/hostile/test_users.py"), {"HOSTILE_EXAMPLES": "20000"}),
    "kills": Profile(
        ("pytest", "-s", "tests/crash/test_kills.py"), {"CRASH_KILLS": "5000", "CRASH_KILLS_SECONDS": "7200"}
    ),
    "power-cuts": Profile(
        ("pytest", "-s", "tests/crash/test_power_cuts.py"),
        {"CRASH_POWER_CUTS": "3000", "CRASH_POWER_CUTS_SECONDS": "7200"},
    ),
    "boundaries": Profile(("pytest", "-s", "tests/crash/test_boundaries.py"), {"CRASH_BOUNDARIES_SECONDS": "3600"}),
    "damage": Profile(
        ("pytest", "-s", "tests/crash/test_damage.py"), {"CRASH_DAMAGE": "1000", "CRASH_DAMAGE_SECONDS": "3600"}
    ),
    "power": Profile(("pytest", "tests/journal/test_power.py"), {"POWER_DEATHS": "500"}),
    "agreement": Profile(("pytest", "tests/journal/test_agreement.py"), {"AGREEMENT_EXAMPLES": "5000"}),
}


def main(arguments: list[str]) -> int:
    """Run all of them, or those that are named, also after one has failed; the exit code."""
    failed: list[str] = []
    for name in arguments or PROFILES:
        profile, began = PROFILES[name], time.monotonic()
        ran = subprocess.run([sys.executable, "-m", *profile.command], cwd=ROOT, env=os.environ | profile.environment)
        print(f"{name}: {'failed' if ran.returncode else 'passed'} in {time.monotonic() - began:.0f} s", flush=True)
        if ran.returncode:
            failed.append(name)
    if failed:
        print(f"FAILED: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""List the past bugs, or run the tests of those that are named: ``python -m tests.past [NAME ...]``.

Exits as pytest does; with 2 if a name is unknown.
"""

from __future__ import annotations

import argparse
import difflib
import subprocess
import sys
from pathlib import Path

from tests.past import FAULTS, GROUPS

ROOT = Path(__file__).parents[2]
UNKNOWN = 2


def main(arguments: list[str]) -> int:
    """Do what the arguments ask for; the exit code."""
    parser = argparse.ArgumentParser("python -m tests.past", description=__doc__)
    parser.add_argument("name", nargs="*", help="of a past bug whose tests are run; all are listed if none is named")
    names = parser.parse_args(arguments).name
    if not names:
        print(listing())
        return 0
    unknown = [name for name in names if name not in FAULTS]
    for name in unknown:
        print(refusal(name), file=sys.stderr)
    if unknown:
        return UNKNOWN
    return subprocess.run([sys.executable, "-m", "pytest", *ids_of(names)], cwd=ROOT).returncode


def listing() -> str:
    """All faults by group, each with its harm."""
    parts = []
    for group, faults in GROUPS.items():
        lines = [f"  {fault.name}\n      {fault.harm}" for fault in faults]
        parts.append("\n".join([f"{group} ({len(faults)})", *lines]))
    return "\n\n".join([*parts, f"{len(FAULTS)} past bugs"])


def refusal(name: str) -> str:
    """That no fault has this name, and which names are near it."""
    near = difflib.get_close_matches(name, FAULTS, n=3, cutoff=0.4)
    return f"no past bug is called {name!r}" + (f"; did you mean {', '.join(near)}?" if near else "")


def ids_of(names: list[str]) -> list[str]:
    """The node ids of the tests of these faults, each once."""
    return list(dict.fromkeys(test for name in names for test in FAULTS[name].tests))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

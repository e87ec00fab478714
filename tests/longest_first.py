"""A pytest plugin that begins with the files that take longest: ``-p tests.longest_first``.

A file stays in one process. If a long one begins last, the other processes have nothing to do until it ends.
"""

from __future__ import annotations

import pytest

LONGEST = {
    "tests/crash/test_boundaries.py": 140,
    "tests/simulation/test_storms.py": 110,
    "tests/console/test_invocations.py": 90,
    "tests/http/test_openapi.py": 70,
    "tests/crash/test_judge.py": 60,
    "tests/console/test_under_traffic.py": 50,
    "tests/crash/test_kills.py": 50,
    "tests/crash/test_damage.py": 45,
    "tests/journal/test_agreement.py": 30,
    "tests/journal/test_power.py": 30,
    "tests/scale/test_suspended.py": 30,
    "tests/test_readme.py": 30,
    "tests/benchmarks/test_questions.py": 30,
    "tests/crash/test_power_cuts.py": 20,
}
"""About how many seconds a file takes on a machine that does nothing else, the longest first. The others follow in their own order."""

_RANKS = {file: rank for rank, file in enumerate(LONGEST)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _RANKS.get(item.nodeid.partition("::")[0], len(LONGEST)))

"""A pytest plugin that begins with the files that take longest: ``-p tests.longest_first``.

A file stays in one process. If a long one begins last, the other processes have nothing to do until it ends.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST = (
    "tests/crash/test_boundaries.py",
    "tests/http/test_openapi.py",
    "tests/simulation/test_storms.py",
    "tests/crash/test_damage.py",
    "tests/crash/test_kills.py",
    "tests/console/test_invocations.py",
    "tests/console/test_under_traffic.py",
    "tests/crash/test_power_cuts.py",
)
"""Files, the longest first. The others follow in their own order."""

_RANKS: Mapping[str, int] = {file: rank for rank, file in enumerate(LONGEST)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _RANKS.get(item.nodeid.partition("::")[0], len(LONGEST)))

"""A pytest plugin that begins with the files that take longest: ``-p tests.longest_first``.

A file stays in one process. If a long one begins last, the other processes have nothing to do until it ends.
"""

from __future__ import annotations

import pytest

from tests.long_files import LONGEST

_RANKS = {file: rank for rank, file in enumerate(LONGEST)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _RANKS.get(item.nodeid.partition("::")[0], len(LONGEST)))

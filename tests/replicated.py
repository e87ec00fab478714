"""``python -m pytest --replicated``: tests of an engine on virtual time have their journal on a replicated log in memory.

Each start of the engine is a node with an empty copy, so everything that it knows comes from the log.
"""

from __future__ import annotations

import pytest

is_wanted = False
"""Set by the option."""


def about_one_store(why: str) -> pytest.MarkDecorator:
    """Leave a test out with the option, because it is about a store that no log keeps."""
    return pytest.mark.skipif("__import__('tests.replicated').replicated.is_wanted", reason=why)

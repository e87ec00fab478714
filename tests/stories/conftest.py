"""Each story is told in the process, and each other face tells the story that asks most of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.stories.faces import FACES, Opened

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Opens an app of ``examples/remote_control``, and one way to it."""
    return partial(FACES[request.param], tmp_path)

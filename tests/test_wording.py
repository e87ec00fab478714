"""The wording: every text that people read stands in a file of its own, so that a change of prose is seen in review.

``python -m pytest tests/test_wording.py --rewrite`` writes the files anew. Tests elsewhere assert on types, codes and attributes.
"""

from __future__ import annotations

import difflib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from tests import wording
from tests.http.served import serving

GOLDEN = Path(__file__).parent / "golden"
RAISING = ("tests/core/test_arguments.py", "tests/test_definitions.py")
"""Tests that raise many different errors in little time."""

COMMAND = "python -m pytest tests/test_wording.py --rewrite"


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The golden files as they have to be, by name."""
    document = trio.run(_openapi, tmp_path_factory.mktemp("served"))
    return {
        "messages.txt": wording.render(wording.messages()),
        "help.txt": wording.render_helps(wording.helps(), wording.described(document)),
        "console.txt": wording.render(wording.console_texts()),
    }


async def _openapi(directory: Path) -> Any:
    async with serving(directory) as served:
        return (await served.http.get("/openapi.json")).json()


@pytest.mark.parametrize("name", ["messages.txt", "help.txt", "console.txt"])
def test_every_text_is_in_its_golden_file(name: str, texts: dict[str, str], request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--rewrite"):
        (GOLDEN / name).write_text(texts[name])
    golden = (GOLDEN / name).read_text()
    if golden != texts[name]:
        diff = difflib.unified_diff(
            golden.splitlines(), texts[name].splitlines(), f"tests/golden/{name}", "the sources", "", "", 1, ""
        )
        pytest.fail("\n".join([f"Read the change, then accept it with: {COMMAND}", "", *diff]), pytrace=False)


def test_what_is_raised_is_in_the_golden_file(tmp_path: Path) -> None:
    file = tmp_path / "raised.json"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.raised", "-p", "no:cacheprovider", *RAISING]
    subprocess.run(
        command, cwd=wording.ROOT, env=os.environ | {"RAISED_MESSAGES": str(file)}, check=True, capture_output=True
    )
    raised = json.loads(file.read_text())
    patterns = [found for entry in wording.messages() if (found := wording.pattern_of(entry.text)) is not None]
    missing = [message for message in raised if not any(pattern.search(message) for pattern in patterns)]
    assert len(raised) > 100
    assert len(missing) <= 0.02 * len(raised), missing

"""The wording: every text that people read stands in a file of its own, so that a change of prose is seen in review.

``python -m pytest tests/test_wording.py --rewrite`` writes the files anew. Tests elsewhere assert on types, codes and attributes.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
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


# What help says.

VERBS = """Back Call Cancel Create Delete Explain Export Follow Get Hold Kill List Move Name Offer Pause Print Query Read Replay Report Reset
Restart Resume Revoke Run Send Serve Set Show Use Verify"""
"""What commands here may begin with. A new one is added if it is a verb that a colleague would say."""


def test_the_help_of_a_command_begins_with_an_imperative() -> None:
    helps = {" ".join(words): (command.help or "-") for words, command in wording.commands() if len(words) > 1}
    assert {name: text for name, text in helps.items() if text.split()[0].rstrip(",") not in VERBS.split()} == {}


def test_no_line_of_a_list_of_commands_is_cut_off(texts: dict[str, str]) -> None:
    for words, _ in ((words, each) for words, each in wording.commands() if isinstance(each, click.Group)):
        _, _, rest = texts["help.txt"].partition(f"== {' '.join(words)} ==\n")
        listed = rest.partition("\n== ")[0].partition("\nCommands:\n")[2].splitlines()
        assert listed, words
        assert [line for line in listed if line.endswith(("...", "…"))] == []


@pytest.mark.parametrize("name", [" ".join(words) for words, _ in wording.commands()])
def test_help_fits_a_terminal_of_80_columns(name: str) -> None:
    lines = wording.shown_by(*name.split()[1:], "--help").splitlines()
    assert [line for line in lines if len(line) > wording.WIDTH] == []
    below = [line for line in lines if line.endswith("...") and not line.startswith("Usage:")]
    assert below == [], "cut off"


# Words.

TICS = {
    r"(?:^|[.;:,] )what (?!is\b|does\b|to\b)\w+": "a noun as subject: 'open invocations', not 'what runs'",
    r"\b(?:goes|go|going|went) on\b": "continue, resume, run",
    r"\b(?:some|no|any|every)body\b": "the caller, a user, no caller",
    r"\bbehind\b": "after",
    r"(?<![\d}] )\bletters?\b": "message",
    r"\b(?:told|tells?)\b": "report, show, say",
    r"\b(?:stands?|stood)\b": "is",
    r"(?<!there )\b(?:is|are|was|were) no\b(?! longer)": "is not a",
    r"\bof (?:which|those)\b": "a second sentence",
    r"\bwh(?:o|at|ich)ever\b": "every caller, any value",
    r"\bso (?:many|long|much)\b": "the number or the time itself",
    r"\bbut for\b": "except",
    r"\bobey\w*": "apply, execute",
    r"\banew\b": "again",
    r"\bfor ever\b": "forever, without limit",
    r"\ball the same\b": "nevertheless, in spite of",
    r"\b(?:is|are) of (?:trio|asyncio)\b": "a trio task, an asyncio task",
}
"""Turns of phrase that a native engineer would not write, and what to say instead."""


@pytest.mark.parametrize("tic", TICS)
def test_texts_do_not_fall_back_into_a_tic(tic: str, texts: dict[str, str]) -> None:
    lines = [line.strip() for text in texts.values() for line in text.splitlines()]
    found = [line for line in lines if re.search(tic, line, re.IGNORECASE)]
    assert found == [], f"say instead: {TICS[tic]}"

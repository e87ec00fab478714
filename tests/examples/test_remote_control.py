"""Each story of the remote control as its docstring shows it: as a script, and served and steered from a shell."""

from __future__ import annotations

import importlib
import re
import shutil
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.examples.docstrings import commands_of
from tests.terminal import ROOT, Terminal, terminal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOLDER = ROOT / "examples" / "remote_control"
STORIES = sorted(FOLDER.glob("*.py"))


@attrs.frozen(kw_only=True)
class Expected:
    """How a script's output ends, what the commands answer (patterns of the whole), and where the code is fixed."""

    script: tuple[str, ...]
    answers: tuple[str, ...]
    fixed_after: int | None = None


ID = "inv_1[0-9A-Za-z]{33}"
JOB_OF_ONE = r"job_\S+  done  1 changed, 0 unchanged, 0 refused"

EXPECTED = {
    "dead_endpoint": Expected(
        script=("the job is done: 300 of 300 were cancelled", "cancelled: 300"),
        answers=(
            ID,
            ID,
            r"(?s).*EndpointGone\s+2",
            "(?s).*Agent/plan.*Agent/plan.*",
            r"job_\S+  done  2 changed, 0 unchanged, 0 refused",
            "(?s).*cancelled.*the endpoint is gone.*cancelled.*the endpoint is gone.*",
        ),
    ),
    "batch": Expected(
        script=(
            "the batch: {'read': 297, 'failed': 3}",
            "the job is done: 3 of 3 were restarted",
            "still to be read: 0",
        ),
        answers=(
            "service:Document .*",
            ID,
            "service:Document  changed  open -> closed",
            "(?s).*",
            "service:Document  changed  closed -> open",
            r'(?s)\{\s*"read": 297,\s*"failed": 3\s*\}',
            "",
            r"job_\S+  done  3 changed, 0 unchanged, 0 refused",
        ),
    ),
    "new_message": Expected(
        script=("the first task: cancelled, a newer message came: no, to Oslo", "the second task: running"),
        answers=(f'"{ID}"', f'"{ID}"', "(?s).*running.*cancelled.*a newer message came: no, to Oslo.*", f'"{ID}"'),
    ),
    "deploy_the_fix": Expected(
        script=("paused: 4", "checked on the fix: 4, all of them fit: True", "totals: [2000, 2000, 2000, 2000]"),
        answers=(ID, JOB_OF_ONE, r"(?s).*1\s+same.*", JOB_OF_ONE),
        fixed_after=2,
    ),
    "maintenance": Expected(
        script=("running, held: the database is being moved", "queued, held: the database is being moved"),
        answers=(
            "service:Orders  changed  open -> closed",
            ID,
            "(?s).*service:Orders.*the database is being moved.*",
            "(?s).*service:Orders.*the database is being moved.*",
            "service:Orders  changed  closed -> open",
            "(?s)(?!.*service:Orders).*",
        ),
    ),
    "claim": Expected(
        script=("claim 7: failed", "reimbursed: 50.0"),
        answers=(
            ID,
            *(f"{ID}  changed  .*",) * 3,
            "(?s).*failed.*no rate for EUR.*",
            r"(?s).*kept .*approval of ann.*approval of bob.*approval of cyd.*again +reimburse \(.*\)",
            f"{ID}  changed  completed  as {ID}",
        ),
        fixed_after=5,
    ),
    "regenerate": Expected(
        script=(
            "first: draft 1 on the blue sky after Rayleigh and Tyndall",
            "second: draft 2 on the blue sky after Rayleigh and Tyndall",
        ),
        answers=(*(f'"{ID}"',) * 3, "(?s).*Writer/answer.*Writer/answer.*Writer/answer.*"),
    ),
}


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Terminal]:
    with terminal(tmp_path) as opened:
        shutil.copytree(FOLDER, opened.folder / "examples" / "remote_control")
        yield opened


def test_every_story_is_listed_and_expected() -> None:
    names = {path.stem for path in STORIES}
    listed = re.findall(r"\(remote_control/(\w+)\.py\)", (ROOT / "examples" / "README.md").read_text())
    assert names == set(EXPECTED) == set(listed)
    assert len(listed) == len(names)


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_a_story_prints_what_it_says(story: Path, shell: Terminal) -> None:
    script = smaller(commands_of(story)[0])
    assert script.split()[:2] == ["python", f"examples/remote_control/{story.name}"]
    printed = shell.done(script).split("\n")
    wanted = EXPECTED[story.stem].script
    assert [line for line in printed if line in wanted] == [*wanted], printed


@pytest.mark.parametrize("story", STORIES, ids=lambda path: path.stem)
def test_a_story_can_be_typed(story: Path, shell: Terminal) -> None:
    _, serve, *lines = commands_of(story)
    assert serve == f"playhead serve examples/remote_control/{story.name}"
    expected = EXPECTED[story.stem]
    shell.done(f"{serve} > said-by-the-server &")
    assert len(lines) == len(expected.answers)
    invocation_id = ""
    for number, (line, pattern) in enumerate(zip(lines, expected.answers, strict=True)):
        if number == expected.fixed_after:
            mend(shell.folder / "examples" / "remote_control" / story.name)
            shell.run("kill $!; wait $!")
            shell.done(f"{serve} > said-by-the-server &")
        said = shell.run(smaller(line).replace("INVOCATION_ID", invocation_id))
        assert said.code == 0, said
        assert re.fullmatch(pattern, said.out.strip()), said
        if line.startswith("playhead send"):
            invocation_id = said.out.strip()


def smaller(line: str) -> str:
    """The line with a batch that takes a moment."""
    return line.replace("50000", "300")


def mend(app: Path) -> None:
    """What the reader does at the line with the bug."""
    bug, fix = importlib.import_module(f"examples.remote_control.{app.stem}").FIX
    (line,) = (line for line in app.read_text().splitlines() if "the bug:" in line)
    assert bug in line
    app.write_text(app.read_text().replace(line, line.replace(bug, fix)))

"""What is copied from the console runs as it is: in a shell, and in Python."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from actors import Actor, handler
from journal.events import Target
from tests.console.stage import Stage, hold_requests, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    Open = Callable[..., Page]

ROOT = Path(__file__).parents[2]
LONG = 9_007_199_254_740_993
KEY = "a/b %2F 'q' \"d\" $(x) [1] \u202e\u2028\U0001f600 ..\n.."
TEXT = 'it\'s \\n \u202e\u200b\x00 \U0001f600 `x` $HOME %41 """'


class Note(Actor):
    @handler
    async def keep(self, text: str, number: int) -> str:
        return json.dumps([self.key, text, number])

    @handler
    async def show(self) -> str:
        return json.dumps([self.key])


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, Note) as running:
        yield running


def run(stage: Stage, command: list[str]) -> str:
    environment = os.environ | {"PLAYHEAD_TOKEN": stage.served.token}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def in_shell(stage: Stage, text: str) -> str:
    return run(stage, ["sh", "-c", f'playhead() {{ {sys.executable} -m playhead "$@"; }}\n{text}'])


def in_python(stage: Stage, text: str) -> str:
    return run(stage, [sys.executable, "-c", text])


def copied(page: Page, button: str, name: str) -> str:
    page.get_by_role("dialog").get_by_role("heading", name=name).get_by_role("button", name=button).click()
    page.get_by_text("copied", exact=True).first.wait_for()
    return str(page.evaluate("() => navigator.clipboard.readText()"))


@pytest.mark.parametrize("name", ["Command line", "Details", "curl", "Python"])
@pytest.mark.parametrize(
    ("handler_name", "argument", "expected"),
    [
        ("keep", json.dumps({"text": TEXT, "number": LONG}).encode(), [KEY, TEXT, LONG]),
        ("show", b"", [KEY]),
    ],
    ids=["argument", "no argument"],
)
def test_a_copy_of_an_invocation_runs_and_does_the_same_again(
    name: str, handler_name: str, argument: bytes, expected: list[object], stage: Stage, open_page: Open
) -> None:
    if name == "curl" and shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    sent = stage.do(stage.client.send_by_name, Target("Note", KEY, handler_name), argument)
    assert json.loads(stage.do(stage.client.invocation(sent.invocation_id).result)) == expected
    page = open_page(
        stage.address(f"/invocations/{sent.invocation_id}"), permissions=["clipboard-read", "clipboard-write"]
    )
    page.get_by_role("button", name="Copy as…").click()
    text = copied(page, "copy", name)
    shown = page.get_by_role("dialog").locator("pre").all_inner_texts()
    assert text.rstrip("\n") in [one.rstrip("\n") for one in shown], "what is shown is what is copied"
    said = in_python(stage, text) if name == "Python" else in_shell(stage, text)
    if name == "Details":
        assert str(sent.invocation_id) in said
        return
    again = stage.do(
        stage.client.query, "select id from sys_invocation where service = 'Note' order by created_at desc limit 1"
    ).rows[0][0]
    assert again != str(sent.invocation_id)
    assert json.loads(stage.do(stage.client.invocation(again).result)) == expected
    if name == "Python":
        assert json.loads(said) == expected


def test_a_copy_is_offered_once_its_argument_is_known(stage: Stage, open_page: Open) -> None:
    sent = stage.do(
        stage.client.send_by_name, Target("Note", KEY, "keep"), json.dumps({"text": "t", "number": 7}).encode()
    )
    page = open_page()
    let_go = hold_requests(page, "/events")
    page.goto(stage.address(f"/invocations/{sent.invocation_id}"))
    page.get_by_role("button", name="Copy as…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Loading").wait_for()
    assert dialog.get_by_role("heading", level=3).count() == 1, "what is known of it needs no argument"
    let_go()
    dialog.get_by_role("heading", name="curl").wait_for()
    assert dialog.locator("pre").filter(has_text='"number":7').count() == 2


@pytest.mark.parametrize("key", [".", ".."])
def test_a_key_that_is_a_step_in_a_path_is_refused(key: str, stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address(f"/objects/Note/{key}"))
    page.get_by_text(f"'{key}' cannot be used as a key").first.wait_for()
    page.evaluate(f"() => {{ location.hash = '#/try?service=Note&handler=show&key={key}' }}")
    page.get_by_role("button", name="Call and wait").click()
    page.get_by_text(f"'{key}' cannot be used as a key").wait_for()

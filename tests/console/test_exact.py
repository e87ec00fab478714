"""Integers that a browser's numbers cannot hold: shown, edited, sent and restarted with all their digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import Actor, Service, handler
from journal.events import Target
from tests.console.stage import Stage, staged
from tests.console.test_invocations import come_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Page

    Open = Callable[..., Page]

LONG = 9_007_199_254_740_993
"""2**53 + 1: the first that a double takes for another."""


class Account(Actor):
    balance: int = LONG
    moves: list[int] = actors.field(factory=lambda: [LONG, -LONG - 2])
    note: str = ""

    @handler
    async def add(self, amount: int, parts: list[int]) -> list[int]:
        self.balance += amount
        self.moves = [*self.moves, *parts]
        return self.moves


class Mirror(Service):
    @handler
    async def show(self, values: list[int]) -> list[int]:
        return [*values, await actors.signal("one more", int)]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, Account, Mirror) as running:
        yield running


def fields(stage: Stage) -> dict[str, Any]:
    async def read() -> dict[str, Any]:
        return dict((await stage.client.object("Account", "a").info()).fields)

    return stage.do(read)


TEXTS = [
    "9007199254740993",
    "-9007199254740993",
    '{"a":[18446744073709551615,1.5,0,-1,1e300,"9007199254740993"],"b":"\\"9007199254740993"}',
    '["9007199254740993\\\\",9007199254740993]',
    '"\\u00009007199254740993"',
    "[1234567890.123456,12345678901234567890]",
]


def test_what_is_read_and_written_again_is_what_it_was(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address())
    page.get_by_role("heading", name="Overview").wait_for()
    again = page.evaluate(
        """async (texts) => {
            const { parseJson, printJson } = await import(new URL("lib/exact.js", document.baseURI).href);
            return texts.map((text) => [printJson(parseJson(text)), printJson(parseJson(text), 2)]);
        }""",
        TEXTS,
    )
    for text, written in zip(TEXTS, again, strict=True):
        for one in written:
            assert json.loads(one) == json.loads(text)
    wrong = page.evaluate(
        """async () => {
            const { parseJson } = await import(new URL("lib/exact.js", document.baseURI).href);
            try { parseJson("[09007199254740993]"); } catch (error) { return error.name; }
        }"""
    )
    assert wrong == "SyntaxError"


def test_fields_keep_their_digits_when_they_are_shown_and_when_others_are_edited(stage: Stage, open_page: Open) -> None:
    stage.do(stage.client.call_by_name, Target("Account", "a", "add"), b'{"amount": 0, "parts": []}')
    page = open_page(stage.address("/objects/Account/a"))
    page.get_by_text(str(LONG)).first.wait_for()
    page.get_by_role("button", name="Edit fields").click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("spinbutton", name="balance").input_value() == str(LONG)
    moves = dialog.get_by_role("textbox", name="moves")
    moves.fill(moves.input_value().replace("]", f", {LONG + 4}]"))
    dialog.get_by_role("spinbutton", name="balance").fill(str(LONG + 2))
    dialog.get_by_role("textbox", name="note").fill("moved")
    dialog.get_by_role("button", name="Show what changes (3)").click()
    dialog.get_by_text(str(LONG + 4)).wait_for()
    dialog.get_by_role("button", name="Apply").click()
    dialog.wait_for(state="detached")
    assert fields(stage) == {"balance": LONG + 2, "moves": [LONG, -LONG - 2, LONG + 4], "note": "moved"}


def test_what_is_tried_signalled_and_restarted_keeps_its_digits(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/try?service=Account&handler=add&key=b"))
    page.get_by_role("spinbutton", name="amount").fill(str(LONG + 2))
    page.get_by_role("textbox", name="parts").fill(f"[{LONG + 6}]")
    page.get_by_role("button", name="Call and wait").click()
    page.get_by_role("region", name="Its result").get_by_text(str(LONG + 6)).wait_for()

    sent = stage.do(stage.client.send_by_name, Target("Mirror", None, "show"), b"[%d]" % LONG)
    stage.do(come_to, stage, "awaited_signal = 'one more'", 1)
    page.evaluate(f"() => {{ location.hash = '#/invocations/{sent.invocation_id}' }}")
    page.get_by_role("button", name="Send one more…").click()
    page.get_by_role("dialog").get_by_role("spinbutton").fill(str(LONG + 8))
    page.get_by_role("dialog").get_by_role("button", name="Send", exact=True).click()
    assert stage.do(stage.client.invocation(sent.invocation_id).result) == [LONG, LONG + 8]

    page.get_by_role("button", name="Restart…").click()
    given = page.get_by_role("dialog").get_by_role("textbox", name="Argument")
    assert str(LONG) in given.input_value()
    given.fill(given.input_value().replace(str(LONG), str(LONG + 10)))
    page.get_by_role("dialog").get_by_role("button", name="Restart").click()
    stage.do(come_to, stage, "awaited_signal = 'one more'", 1)
    (again,) = stage.do(
        stage.client.query, "select argument from sys_invocation where awaited_signal = 'one more'"
    ).rows
    assert str(LONG + 10) in again[0]


def test_cells_of_an_answer_and_its_downloads_keep_every_digit(stage: Stage, open_page: Open) -> None:
    stage.do(stage.client.call_by_name, Target("Account", "a", "add"), b'{"amount": 0, "parts": []}')
    sql = f"select {LONG} as n, -{LONG} as m from sys_invocation limit 1"
    page = open_page(stage.address("/sql"))
    page.get_by_label("One SELECT").fill(sql)
    page.get_by_role("button", name="Run").click()
    row = page.get_by_role("grid", name="Answer").locator(".tbody [role=row]")
    row.get_by_text(str(LONG), exact=True).wait_for()
    row.get_by_text(str(-LONG), exact=True).wait_for()
    with page.expect_download() as csv_file:
        page.get_by_role("button", name="CSV").click()
    assert Path(csv_file.value.path()).read_text().splitlines()[1] == f"{LONG},{-LONG}"
    with page.expect_download() as lines_file:
        page.get_by_role("button", name="JSON lines").click()
    assert json.loads(Path(lines_file.value.path()).read_text()) == {"n": LONG, "m": -LONG}
    row.locator("[role=gridcell]").first.click()
    page.get_by_role("dialog", name="Row 1").get_by_text(str(LONG), exact=True).wait_for()

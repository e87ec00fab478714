"""SQL in the console: asked from the address, answered as a table and as files."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from actors import Actor, handler
from tests.console.stage import Stage, axe_findings, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator, Page

    Open = Callable[..., Page]

HOSTILE = "<img src=x onerror=\"document.title='owned'\">\u202egnp.exe"
FORMULA = '=HYPERLINK("http://example","x"),\n1'
QUERY = "select id, key, created_at, failed_attempts, value from sys_invocation order by key"


class Tally(Actor):
    total: int = 0

    @handler
    async def add(self, text: str) -> str:
        self.total += 1
        return text


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, Tally) as running:
        running.do(fill, running)
        yield running


async def fill(stage: Stage) -> None:
    for key in (FORMULA, HOSTILE, "bob"):
        await stage.client.actor(Tally, key).add("x" * 3_000 if key == "bob" else HOSTILE)


def asked(stage: Stage, sql: str) -> str:
    return stage.address("/sql?q=" + quote(quote(sql, safe=""), safe="").replace("%25", "%"))


def grid(page: Page) -> Locator:
    return page.get_by_role("grid", name="Answer")


def test_the_empty_page_teaches_by_examples_and_tables(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/sql"))
    page.get_by_text("Query the runtime with SQL").wait_for()
    page.get_by_role("navigation", name="Tables").get_by_text("the invocation's id").wait_for()
    page.get_by_role("link", name="Invocations by status").click()
    grid(page).get_by_text("completed").wait_for()
    assert "group by" in page.get_by_label("One SELECT").input_value()


def test_a_query_is_run_from_the_keyboard_and_stands_in_the_address(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/sql"))
    page.get_by_label("One SELECT").wait_for()
    page.keyboard.press("/")
    page.keyboard.type("select 40 + 2 as answer")
    page.keyboard.press("Control+Enter")
    grid(page).get_by_text("42").wait_for()
    page.reload()
    grid(page).get_by_text("42").wait_for()
    page.get_by_text("1 row ·").wait_for()


def test_what_cannot_be_understood_is_pointed_at(stage: Stage, open_page: Open, complaints: list[str]) -> None:
    page = open_page(asked(stage, "select stauts\nfrom sys_invocation"))
    page.get_by_role("alert").get_by_text("stauts").first.wait_for()
    complaints[:] = [said for said in complaints if "400" not in said]


def test_values_stay_text_and_long_ones_are_shown_whole_on_demand(stage: Stage, open_page: Open) -> None:
    page = open_page(asked(stage, QUERY))
    grid(page).get_by_text("<img src=x onerror=").first.wait_for()
    assert page.locator("main img").count() == 0
    assert "\u202e" not in page.get_by_role("main").inner_text()
    grid(page).locator(".tbody [role=row]").nth(2).locator("[role=gridcell]").nth(3).click()
    dialog = page.get_by_role("dialog", name="Row 3")
    dialog.get_by_role("button", name="show all").click()
    assert "x" * 3_000 in dialog.inner_text()
    assert page.title() != "owned"


def test_an_answer_is_downloaded_as_csv_and_as_json_lines(stage: Stage, open_page: Open) -> None:
    page = open_page(asked(stage, QUERY))
    grid(page).wait_for()
    expected = stage.do(stage.client.query, QUERY)
    with page.expect_download() as csv_file:
        page.get_by_role("button", name="CSV").click()
    rows = list(csv.reader(io.StringIO(Path(csv_file.value.path()).read_bytes().decode(), newline="")))
    assert rows[0] == expected.columns
    assert [row[1] for row in rows[1:]] == [HOSTILE, "'" + FORMULA, "bob"], "no spreadsheet runs what a key says"
    assert [float(row[2]) for row in rows[1:]] == [row[2] for row in expected.rows]
    with page.expect_download() as lines_file:
        page.get_by_role("button", name="JSON lines").click()
    lines = Path(lines_file.value.path()).read_text().splitlines()
    assert [list(json.loads(line).values()) for line in lines] == expected.rows
    assert lines_file.value.suggested_filename.endswith(".jsonl")


def test_json_lines_have_every_column_also_of_those_with_one_name(stage: Stage, open_page: Open) -> None:
    page = open_page(asked(stage, "select 1 as n, 'x' as n, 2 as n_2 from sys_invocation limit 1"))
    grid(page).wait_for()
    with page.expect_download() as lines_file:
        page.get_by_role("button", name="JSON lines").click()
    (line,) = Path(lines_file.value.path()).read_text().splitlines()
    assert json.loads(line) == {"n": 1, "n_3": "x", "n_2": 2}


def test_no_rows_say_so(stage: Stage, open_page: Open) -> None:
    page = open_page(asked(stage, "select * from sys_invocation where key = 'nobody'"))
    page.get_by_text("No rows match").wait_for()


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desk", "phone"])
def test_it_has_no_serious_finding_and_never_scrolls_sideways(
    size: tuple[int, int], stage: Stage, open_page: Open
) -> None:
    page = open_page(asked(stage, QUERY), viewport={"width": size[0], "height": size[1]})
    grid(page).get_by_text("bob").wait_for()
    assert axe_findings(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")

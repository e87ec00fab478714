"""The audit in the console: filtered, told in words, and checked as a chain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import actors
from actors import Service, handler
from actors.http.routes import TokenScope
from tests.console.stage import Stage, axe_findings, hold_requests, staged
from tests.raising import raises

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Locator, Page

    Open = Callable[..., Page]

HOSTILE = "<img src=x onerror=\"document.title='owned'\">\u202egnp.exe"


class Waiter(Service):
    @handler
    async def wait(self) -> str:
        return await actors.signal("go", str)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, Waiter) as running:
        yield running


async def steer(stage: Stage) -> str:
    handle = await stage.client.service(Waiter).wait.send()
    await handle.pause(reason=HOSTILE)
    await handle.kill()
    with raises(actors.ConflictError, code="already_completed"):
        await handle.pause(reason="too late")
    await stage.client.gates.close("service:Waiter", reason="stocktaking")
    return str(handle.id)


def rows(page: Page) -> Locator:
    return page.get_by_role("grid", name="Audit").locator(".tbody [role=row]")


def test_who_steered_what_is_shown_newest_first_and_as_it_happens(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/audit"))
    page.get_by_text("No control requests yet").wait_for()
    stage.do(steer, stage)
    rows(page).nth(3).wait_for()
    verbs = [row.locator("[role=gridcell]").nth(2).inner_text() for row in rows(page).all()]
    assert verbs == ["close-gate", "pause", "kill", "pause"]
    assert "refused" in rows(page).nth(1).inner_text()
    assert "already_completed" in rows(page).nth(1).inner_text()
    assert "<img src=x" in rows(page).nth(3).inner_text()
    assert "\u202e" not in page.get_by_role("main").inner_text()
    assert page.locator("main img").count() == 0
    assert page.title() != "owned"


def test_it_is_filtered_and_the_filter_stands_in_the_address(stage: Stage, open_page: Open) -> None:
    target = stage.do(steer, stage)
    page = open_page(stage.address("/audit"))
    page.get_by_label("verb").fill("pause")
    page.keyboard.press("Enter")
    page.get_by_role("status").get_by_text("2", exact=True).wait_for()
    page.reload()
    page.get_by_role("status").get_by_text("2", exact=True).wait_for()
    assert rows(page).count() == 2
    rows(page).first.locator("[role=gridcell]").nth(5).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("too late").wait_for()
    dialog.get_by_role("link", name="All of this target").click()
    rows(page).nth(2).wait_for()
    assert page.get_by_label("target").input_value() == target
    page.get_by_label("who").fill("nobody")
    page.keyboard.press("Enter")
    page.get_by_text("No requests match this filter").wait_for()
    page.get_by_role("button", name="all", exact=True).click()
    rows(page).nth(3).wait_for()


def test_pages_behind_the_first_come_as_they_are_scrolled_to(stage: Stage, open_page: Open) -> None:
    async def many() -> None:
        for number in range(450):
            await stage.client.gates.close("service:Waiter", reason=f"reason {number}")

    stage.do(many)
    page = open_page(stage.address("/audit"))
    grid = page.get_by_role("grid", name="Audit")
    rows(page).first.wait_for()
    grid.focus()
    for shown in ("400, the newest", "450"):
        page.keyboard.press("End")
        page.get_by_role("status").get_by_text(shown, exact=True).wait_for()
    page.keyboard.press("End")
    grid.get_by_text("reason 0", exact=True).wait_for()


def test_a_page_that_comes_after_another_filter_was_set_is_dropped(stage: Stage, open_page: Open) -> None:
    async def many() -> None:
        for number in range(450):
            await stage.client.gates.close("service:Waiter", reason=f"reason {number}")

    stage.do(many)
    page = open_page(stage.address("/audit"))
    rows(page).first.wait_for()
    let_go = hold_requests(page, "after=")
    page.get_by_role("grid", name="Audit").focus()
    with page.expect_request(lambda request: "after=" in request.url):
        page.keyboard.press("End")
    page.get_by_label("verb").fill("close-gate")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="all", exact=True).wait_for()
    with page.expect_response(lambda response: "after=" in response.url):
        let_go()
    page.get_by_role("status").get_by_text("200, the newest", exact=True).wait_for()
    page.get_by_role("grid", name="Audit").focus()
    page.keyboard.press("End")
    page.get_by_role("status").get_by_text("400, the newest", exact=True).wait_for()


def test_the_chain_is_verified_on_demand(stage: Stage, open_page: Open) -> None:
    stage.do(steer, stage)
    secret = stage.served.tokens.create("reader", TokenScope.READ)
    page = open_page(stage.address("/audit", secret))
    rows(page).nth(3).wait_for()
    assert axe_findings(page) == []
    page.get_by_role("button", name="Verify the chain").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Whole.").wait_for()
    heads = stage.do(stage.client.verify_audit).heads
    for head in heads:
        if head.number:
            dialog.get_by_text(head.link).wait_for()
    assert axe_findings(page) == []
    page.keyboard.press("Escape")
    page.get_by_text(f"chain whole, {sum(head.number for head in heads)} rows").wait_for()


def test_a_chain_that_somebody_has_touched_is_told(stage: Stage, open_page: Open) -> None:
    stage.do(steer, stage)
    page = open_page()
    page.route(
        "**/audit/check",
        lambda route: route.fulfill(json={"heads": [], "broken": ["partition 0: row 2 is missing or was changed"]}),
    )
    page.goto(stage.address("/audit"))
    page.get_by_role("button", name="Verify the chain").click()
    page.get_by_role("dialog").get_by_text("partition 0: row 2 is missing").wait_for()
    page.keyboard.press("Escape")
    page.get_by_text("chain broken").wait_for()


def test_a_phone_shows_it_without_scrolling_sideways(stage: Stage, open_page: Open) -> None:
    stage.do(steer, stage)
    page = open_page(stage.address("/audit"), viewport={"width": 390, "height": 844})
    rows(page).nth(3).wait_for()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert axe_findings(page) == []

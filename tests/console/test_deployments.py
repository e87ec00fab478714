"""Deployments: their source, what is different between two, what still runs on each, and what one would make of what is in flight."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from actors.code.discovery import snapshot_of
from actors.code.loading import load, unload
from actors.control.local.checks import Checker
from actors.http.routes import TokenScope
from tests.console.stage import Stage, axe_findings, staged
from tests.deployments.apps import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Locator, Page

    Open = Callable[..., Page]

APP = """
    import actors
    from helper import greet

    HOSTILE = "<img src=x onerror=\\"document.title='owned'\\">"

    @actors.step
    async def fetch(what: str) -> str:
        return greet(what)

    @actors.step
    async def store(what: str) -> str:
        return what

    class Import(actors.Service):
        @actors.handler
        async def run(self, what: str) -> str:
            text = await fetch(what)
            await store(text)
            await actors.signal("go", str)
            return text

        @actors.handler
        async def wait(self, what: str) -> str:
            return await actors.signal("go", str)

        @actors.handler
        async def read(self, what: str) -> str:
            text = await fetch(what)
            await actors.signal("go", str)
            return text
"""
HELPER = '''
    def greet(what: str) -> str:
        """Say hello."""
        return f"hello {what}"
'''
CHANGED = APP.replace("await store(text)", "await actors.sleep(1)").replace(
    'text = await fetch(what)\n            await actors.signal("go", str)', 'raise ValueError("no: \\u202e")'
)
COUNTS = {"run": 3, "wait": 2, "read": 1}


@attrs.define(eq=False)
class Deployed:
    """A server with two deployments: what is in flight began on the ``old`` one."""

    stage: Stage
    old: str
    new: str


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    source = tmp_path / "src"
    snapshot = snapshot_of(write(source, app=APP, helper=HELPER) / "app.py")
    loaded = load(snapshot, tmp_path / "served")
    try:
        with staged(tmp_path, *loaded.classes, code=snapshot) as stage:
            stage.do(begin, stage, loaded.module("app").Import)
            changed = snapshot_of(write(source, app=CHANGED, helper=HELPER, extra="NEW = 1\n") / "app.py")
            assert "extra.py" not in changed.files, "it is not imported, so it is no part of it"
            stage.do(stage.client.register_deployment, source / "app.py")
            yield Deployed(stage, snapshot.deployment, changed.deployment)
    finally:
        unload(snapshot.deployment)


async def begin(stage: Stage, cls: Any) -> None:
    """Let each come to where it waits for its signal."""
    service = stage.client.service(cls)
    handles = [await getattr(service, name).send("a") for name, count in COUNTS.items() for _ in range(count)]
    for handle in handles:
        while not any(wait.kind == "signal" for wait in (await handle.info()).waits):
            await trio.sleep(0.01)


async def latest(stage: Stage) -> str:
    return str(next(one.id for one in await stage.client.deployments.list() if one.is_latest))


def cohorts(page: Page) -> Locator:
    return page.locator("section.cohort")


def test_the_list_says_what_is_latest_and_what_still_runs_where(deployed: Deployed, open_page: Open) -> None:
    page = open_page(deployed.stage.address("/deployments"))
    new = page.get_by_role("row").filter(has_text=deployed.new)
    old = page.get_by_role("row").filter(has_text=deployed.old)
    new.get_by_text("latest").wait_for()
    old.get_by_text("draining").wait_for()
    old.get_by_role("link", name="6", exact=True).click()
    page.get_by_role("grid").locator(".tbody [role=row]").nth(5).wait_for()
    assert deployed.old in page.get_by_label("where").input_value()


def test_the_source_is_shown_file_by_file_as_text(deployed: Deployed, open_page: Open) -> None:
    page = open_page(deployed.stage.address(f"/deployments/{deployed.old}"))
    code = page.get_by_role("group", name="app.py")
    code.get_by_text("<img src=x onerror=").wait_for()
    assert page.locator("main img").count() == 0
    page.get_by_role("navigation", name="Files").get_by_role("link", name="helper.py").click()
    page.get_by_role("group", name="helper.py").get_by_text('"""Say hello."""').wait_for()
    assert "file=helper.py" in page.url
    page.get_by_label("Files whose path has").fill("app")
    page.get_by_role("navigation", name="Files").get_by_role("link", name="helper.py").wait_for(state="detached")


def test_two_are_compared_line_by_line(deployed: Deployed, open_page: Open) -> None:
    page = open_page(deployed.stage.address(f"/deployments/{deployed.new}?tab=diff"))
    page.get_by_text("1 of 2 files are different.").wait_for()
    diff = page.get_by_role("group", name="changes of app.py")
    diff.wait_for()
    gone = [row.locator(".line").inner_text().strip() for row in diff.locator("tr.gone").all()]
    new = [row.locator(".line").inner_text().strip() for row in diff.locator("tr.new").all()]
    assert gone[0] == "await store(text)"
    assert new == ["await actors.sleep(1)", 'raise ValueError("no: \\u202e")']
    assert diff.get_by_text("class Import").count() == 0, "what is far from a change is folded"
    diff.get_by_role("button", name="unchanged line").first.click()
    diff.get_by_text("class Import").wait_for()


def test_a_pre_flight_shows_what_the_code_makes_of_all_that_is_in_flight(deployed: Deployed, open_page: Open) -> None:
    page = open_page(deployed.stage.address(f"/deployments/{deployed.new}?tab=preflight"))
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("4 of 6 cannot be moved as they are.").wait_for()
    page.get_by_text("6 of 6 invocations replayed").wait_for()
    shown = [card.get_attribute("aria-label") for card in cohorts(page).all()]
    assert shown == ["3 diverges", "2 same", "1 raises"]
    diverges = cohorts(page).first
    diverges.get_by_text("diverges at step 2").wait_for()
    assert diverges.get_by_role("link").count() == 3
    diverges.get_by_role("button", name="the first one's report").click()
    diverges.get_by_role("row").filter(has_text="recorded").get_by_text("store").wait_for()
    page.get_by_label("where").fill("handler = 'wait'")
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("All can be moved.").wait_for()
    page.get_by_label("where").fill("handler = 'nothing'")
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("No open invocation matches").wait_for()


def test_a_pre_flight_of_very_many_shows_how_far_it_is_and_can_be_stopped(
    deployed: Deployed, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = trio.Event()
    check = Checker.check
    replayed: list[str] = []

    async def check_two(self: Checker, *args: Any) -> Any:
        if len(replayed) == 2:
            try:
                await trio.sleep_forever()
            finally:
                stopped.set()
        replayed.append(args[0])
        return await check(self, *args)

    monkeypatch.setattr(Checker, "check", check_two)
    monkeypatch.setattr("actors.control.local.checks.PROGRESS_SECONDS", 0.0)
    page = open_page(deployed.stage.address(f"/deployments/{deployed.new}?tab=preflight"))
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("2 of 6 invocations replayed", exact=True).wait_for()
    page.get_by_role("button", name="Stop the check").click()
    page.get_by_text("2 of 6 invocations replayed, then it was stopped").wait_for()
    assert page.get_by_text("All can be moved.").count() == 0
    deployed.stage.do(stopped.wait)  # nobody listens, so nothing more is replayed


def test_latest_is_moved_back_with_a_reason_and_what_is_drained_is_pruned(deployed: Deployed, open_page: Open) -> None:
    page = open_page(deployed.stage.address(f"/deployments/{deployed.old}"))
    page.get_by_role("button", name="Make latest").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("the new one is slow")
    dialog.get_by_role("button", name="Make latest").click()
    page.locator("h1 ~ .state.latest").wait_for()
    assert deployed.stage.do(latest, deployed.stage) == deployed.old
    page.evaluate(f"() => {{ location.hash = '#/deployments/{deployed.new}' }}")
    page.get_by_text("the new one is slow").wait_for()
    page.get_by_text("It is drained, and can be pruned.").wait_for()
    page.get_by_role("button", name="Prune").click()
    dialog.get_by_role("button", name=f"Prune {deployed.new}").click()
    page.get_by_role("row").filter(has_text=deployed.old).wait_for()
    page.get_by_role("row").filter(has_text=deployed.new).wait_for(state="detached")


def test_tabs_are_gone_through_by_the_keyboard(deployed: Deployed, open_page: Open) -> None:
    page = open_page(deployed.stage.address(f"/deployments/{deployed.new}"))
    page.get_by_role("tab", name="Source").focus()
    for key, name in (
        ("ArrowRight", "Diff"),
        ("ArrowRight", "Pre-flight"),
        ("ArrowRight", "Source"),
        ("ArrowLeft", "Pre-flight"),
        ("Home", "Source"),
        ("End", "Pre-flight"),
    ):
        page.keyboard.press(key)
        page.get_by_role("tab", name=name, selected=True).wait_for()
        assert page.evaluate("() => document.activeElement.textContent.trim()") == name
        assert page.get_by_role("tabpanel", name=name).count() == 1
        stops = page.get_by_role("tab").evaluate_all("tabs => tabs.filter(tab => tab.tabIndex === 0).length")
        assert stops == 1, "tab goes past the others"


def test_a_token_that_reads_sees_no_buttons_that_act(deployed: Deployed, open_page: Open) -> None:
    secret = deployed.stage.served.tokens.create("reader", TokenScope.READ)
    page = open_page(deployed.stage.address("/deployments", secret))
    page.get_by_role("row").filter(has_text=deployed.old).wait_for()
    assert page.get_by_role("main").get_by_role("button").count() == 0
    page.evaluate(f"() => {{ location.hash = '#/deployments/{deployed.old}?tab=preflight' }}")
    page.get_by_role("group", name="app.py").wait_for()
    assert [tab.inner_text() for tab in page.get_by_role("tab").all()] == ["Source", "Diff"]
    assert page.get_by_role("button", name="Make latest").count() == 0


def test_it_has_no_serious_finding(deployed: Deployed, open_page: Open) -> None:
    page = open_page(deployed.stage.address("/deployments"))
    page.get_by_role("row").filter(has_text=deployed.old).wait_for()
    assert axe_findings(page) == []
    page.evaluate(f"() => {{ location.hash = '#/deployments/{deployed.new}' }}")
    page.get_by_role("group", name="app.py").wait_for()
    assert axe_findings(page) == []
    page.get_by_role("tab", name="Diff").click()
    page.get_by_role("group", name="changes of app.py").wait_for()
    assert axe_findings(page) == []
    page.get_by_role("tab", name="Pre-flight").click()
    page.get_by_role("button", name="Check", exact=True).click()
    cohorts(page).nth(2).wait_for()
    for _ in range(3):
        page.get_by_role("button", name="the first one's report").first.click()
    assert axe_findings(page) == []


def test_a_phone_shows_it_without_scrolling_sideways(deployed: Deployed, open_page: Open) -> None:
    page = open_page(deployed.stage.address("/deployments"), viewport={"width": 390, "height": 844})
    page.get_by_role("row").filter(has_text=deployed.old).wait_for()
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), "the list"
    for place in ("", "?tab=diff", "?tab=preflight"):
        page.evaluate(f"() => {{ location.hash = '#/deployments/{deployed.new}{place}' }}")
        page.get_by_role("tabpanel").wait_for()
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), place

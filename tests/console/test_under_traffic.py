"""The console while other things happen: what is typed stays, what is final is not asked again, and a page asks little."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

import actors
from actors import Actor, Service, handler, step
from tests.console.stage import Stage, hold_requests, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import Page, Request

    Open = Callable[..., Page]


class Ping(Service):
    @handler
    async def echo(self, n: int) -> int:
        return n


@step
async def look_up(what: str) -> str:
    return f"found {what}"


class Desk(Service):
    @handler
    async def ask(self, what: str) -> str:
        return await look_up(what)


class Agent(Service):
    @handler
    async def run(self, what: str) -> str:
        found = await actors.service(Desk).ask(what)
        return f"{found}, {await actors.signal('approval', bool)}"


class Note(Actor):
    text: str = ""

    @handler
    async def write(self, text: str) -> None:
        self.text = text


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, Ping, Desk, Agent, Note) as running:
        yield running


async def call(stage: Stage, count: int = 5) -> None:
    for number in range(count):
        await stage.client.service(Ping).echo(number)


async def waiting_agents(stage: Stage, count: int) -> list[str]:
    handles = [await stage.client.service(Agent).run.send(f"order {number}") for number in range(count)]
    for handle in handles:
        while not any(wait.kind == "signal" for wait in (await handle.info()).waits):
            await trio.sleep(0.01)
    return [str(handle.id) for handle in handles]


@pytest.mark.parametrize(
    ("place", "label"),
    [("/audit", "who"), ("/audit", "target"), ("/invocations", "where"), ("/objects", "key begins with")],
)
def test_what_is_typed_stays_while_calls_run(place: str, label: str, stage: Stage, open_page: Open) -> None:
    stage.do(call, stage)
    page = open_page(stage.address(place))
    field = page.get_by_label(label, exact=True).first
    field.click()
    text = "token:main"
    for letter in text:
        page.keyboard.type(letter)
        with page.expect_request(is_asked):
            stage.do(call, stage, 2)
    assert field.input_value() == text


def is_asked(request: Request) -> bool:
    """Whether a page asks for something: its files and its stream are left out."""
    return "/ui/" not in request.url and not request.url.endswith("/changes")


@attrs.frozen
class Asked:
    """What a page has asked, and in how many seconds."""

    urls: list[str]
    seconds: float

    @property
    def a_minute(self) -> float:
        return len(self.urls) * 60 / self.seconds


def count_requests(pages: Sequence[Page], stage: Stage, seconds: float, *, is_busy: bool) -> list[Asked]:
    """The requests of each page in this many seconds, or in the longer time that a busy machine takes."""
    asked: list[list[str]] = [_addresses_of(page) for page in pages]
    began = time.monotonic()
    for _ in range(int(seconds * 5)):
        if is_busy:
            stage.do(call, stage, 3)
        pages[0].wait_for_timeout(200)
    took = time.monotonic() - began
    return [Asked([*urls], took) for urls in asked]


def _addresses_of(page: Page) -> list[str]:
    """A list that grows by what the page asks from now on."""
    urls: list[str] = []
    page.on("request", lambda request: urls.append(request.url) if is_asked(request) else None)
    return urls


def wait_until_quiet(page: Page) -> None:
    """Wait until everything that the page asks for at first has been answered: one answer lets it ask for the next."""
    open_requests: set[Request] = set()
    page.on("request", lambda request: open_requests.add(request) if is_asked(request) else None)
    page.on("requestfinished", lambda request: open_requests.discard(request))
    page.on("requestfailed", lambda request: open_requests.discard(request))
    quiet = 0
    while quiet < 5:
        page.wait_for_timeout(200)
        quiet = 0 if open_requests or page.get_by_text("Loading…").count() > 0 else quiet + 1


MALFORMED = "inv_10abc"
GONE = "inv_1" + "0" * 33


@pytest.mark.parametrize("of", [MALFORMED, GONE])
def test_an_answer_that_is_final_is_not_asked_again(
    of: str, stage: Stage, open_page: Open, complaints: list[str]
) -> None:
    page = open_page(stage.address(f"/invocations/{of}"))
    page.get_by_role("alert").first.wait_for()
    assert page.get_by_role("button", name="Try again").count() == 0
    wait_until_quiet(page)
    (asked,) = count_requests([page], stage, 3, is_busy=True)
    assert [url for url in asked.urls if of in url] == []
    complaints.clear()  # the browser notes each answer that is an error


IDLE_A_MINUTE = 12
BUSY_A_MINUTE = {
    "/": 420,
    "/invocations": 420,
    "/objects": 150,
    "/jobs": 60,
    "/audit": 150,
    "/deployments": 180,
    "/sql": 12,
    "/try": 12,
}
"""At most so many requests of an open page. The server's side of them is another matter."""


def test_no_page_asks_more_than_its_budget(stage: Stage, open_page: Open) -> None:
    stage.do(call, stage)
    pages = {place: open_page(stage.address(place)) for place in BUSY_A_MINUTE}
    for page in pages.values():
        page.get_by_role("heading", level=1).first.wait_for()
        wait_until_quiet(page)
    idle = dict(zip(pages, count_requests([*pages.values()], stage, 5, is_busy=False), strict=True))
    assert {place: asked for place, asked in idle.items() if asked.a_minute > IDLE_A_MINUTE} == {}
    busy = dict(zip(pages, count_requests([*pages.values()], stage, 5, is_busy=True), strict=True))
    assert {place: asked for place, asked in busy.items() if asked.a_minute > BUSY_A_MINUTE[place]} == {}


def test_a_step_of_a_nested_call_opens(stage: Stage, open_page: Open) -> None:
    (of,) = stage.do(waiting_agents, stage, 1)
    page = open_page(stage.address(f"/invocations/{of}"))
    page.get_by_role("button", name="what Desk/ask did").click()
    page.get_by_role("button", name="look_up").click()
    detail = page.get_by_role("region", name="step look_up")
    detail.get_by_text('"found order 0"').wait_for()
    page.reload()
    page.get_by_role("region", name="step look_up").get_by_text('"found order 0"').wait_for()


def test_back_leaves_an_open_dialog_as_it_is(stage: Stage, open_page: Open) -> None:
    (of,) = stage.do(waiting_agents, stage, 1)
    page = open_page(stage.address("/invocations"))
    page.get_by_text("Agent/run").first.click()
    page.get_by_role("button", name="Cancel").click()
    reason = page.get_by_role("dialog").get_by_label("Reason")
    reason.fill("a long story")
    here = page.url
    page.go_back()
    page.wait_for_url(here)
    assert of in here
    assert reason.input_value() == "a long story"
    page.get_by_role("dialog").get_by_role("button", name="Do nothing").click()
    page.get_by_role("dialog").wait_for(state="detached")
    page.go_back()
    page.get_by_role("grid").first.wait_for()
    assert of not in page.url


def test_forward_leaves_an_open_dialog_as_it_is_and_is_there_later(stage: Stage, open_page: Open) -> None:
    (of,) = stage.do(waiting_agents, stage, 1)
    page = open_page(stage.address("/invocations"))
    page.get_by_text("Agent/run").first.click()
    page.get_by_role("button", name="Cancel").wait_for()
    page.go_back()
    page.get_by_role("grid").first.wait_for()
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    keys.wait_for()
    here = page.url
    page.go_forward()
    page.wait_for_url(here)
    keys.get_by_role("button", name="Close").click()
    keys.wait_for(state="detached")
    page.go_forward()
    page.get_by_role("button", name="Cancel").wait_for()
    assert of in page.url


def test_a_lost_token_leaves_an_open_dialog_as_it_is(stage: Stage, open_page: Open, complaints: list[str]) -> None:
    from actors.http.routes import TokenScope

    secret = stage.served.tokens.create("ops", TokenScope.ADMIN)
    (of,) = stage.do(waiting_agents, stage, 1)
    page = open_page()
    let_go = hold_requests(page, f"{of}/why")  # refused late, and with the token before
    page.goto(stage.address(f"/invocations/{of}", token=secret))
    page.get_by_role("button", name="Pause").click()
    reason = page.get_by_label("Reason")
    reason.fill("a long story")
    stage.served.tokens.revoke("ops")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    again = page.get_by_role("dialog", name="Sign in again")
    again.get_by_label("Token").fill(stage.served.tokens.create("ops", TokenScope.ADMIN))
    again.get_by_role("button", name="Sign in").click()
    again.wait_for(state="detached")
    with page.expect_response(lambda response: "/why" in response.url and response.status == 401):
        let_go()
    assert reason.input_value() == "a long story"
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    page.get_by_text("paused").first.wait_for()
    complaints.clear()


def test_many_are_approved_by_one_signal_with_a_typed_form(stage: Stage, open_page: Open) -> None:
    ids = stage.do(waiting_agents, stage, 4)
    page = open_page(stage.address("/invocations?where=" + "service%20%3D%20'Agent'"))
    page.get_by_role("grid").focus()
    page.keyboard.press("a")
    page.get_by_role("button", name="Signal").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="approval").wait_for()
    dialog.get_by_label("Value").select_option("true")
    dialog.get_by_role("button", name="Signal 4 invocations").click()
    dialog.get_by_text("4 changed").wait_for()
    dialog.get_by_role("button", name="Close", exact=True).last.wait_for()

    async def results() -> list[Any]:
        return [await stage.client.invocation(of).result() for of in ids]

    assert json.dumps(stage.do(results)) == json.dumps([f"found order {n}, True" for n in range(4)])


@pytest.mark.parametrize("width", [360, 390, 768, 1024, 1440, 2560])
def test_every_page_is_in_sight_at_every_width(width: int, stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/audit"), viewport={"width": width, "height": 800})
    links = page.get_by_role("navigation", name="Pages").get_by_role("link")
    links.first.wait_for()
    for link in links.all():
        box = link.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width, link.inner_text()
    page.evaluate("() => { location.hash = '#/' }")
    numbers = page.locator(".strip a")
    numbers.first.wait_for()
    boxes = [box for one in numbers.all() if (box := one.bounding_box()) is not None]
    assert all(box["x"] + box["width"] <= width for box in boxes)
    assert page.evaluate(
        "() => [...document.querySelectorAll('.strip a')].every((one) => one.scrollWidth <= one.clientWidth + 1)"
    )
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


def test_an_address_of_no_page_says_so_and_leads_out(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/nowhere"))
    page.get_by_role("heading", name="No such page").wait_for()
    page.get_by_role("link", name="Go to the overview").click()
    page.locator(".strip").wait_for()
    page.evaluate("() => { location.hash = '#/try/Note/write' }")
    page.get_by_role("heading", name="Note/…/write").first.wait_for()

"""The overview: what needs attention, what fails and why, what is held, and the throughput."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

import actors
from actors import Service, TerminalError, handler, step
from actors.http.routes import TokenScope
from journal.events import Target
from tests.console.shop import CLASSES, fill
from tests.console.stage import Stage, axe_findings, hold_requests, staged
from tests.console.test_invocations import come_to

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page, Route

    Open = Callable[..., Page]


CALM = "No invocation is paused or waits for a signal, and no gate is closed."


class Lost(Exception):
    pass


@step(retry=actors.RetryPolicy(initial_delay=600.0))
async def carry(parcel: str) -> None:
    raise Lost(f"{parcel} fell off")


class Courier(Service):
    @handler
    async def deliver(self, parcel: str) -> None:
        await carry(parcel)

    @handler
    async def refuse(self, parcel: str) -> None:
        raise TerminalError(f"{parcel} fell off")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, *CLASSES, Courier) as running:
        yield running


def filled(stage: Stage) -> dict[str, str]:
    async def work() -> dict[str, str]:
        ids = await fill(stage.client)
        await come_to(stage, "status = 'paused'", 2)
        await come_to(stage, "status = 'backing_off'", 2)
        return ids

    return stage.do(work)


def test_what_is_stuck_and_why_stands_on_top_and_leads_to_all_of_them(stage: Stage, open_page: Open) -> None:
    filled(stage)
    page = open_page(stage.address())
    person = page.get_by_role("region", name="Needs attention")
    person.get_by_text("MailboxFull", exact=True).wait_for()
    assert "552 the mailbox" in person.inner_text()
    failing = page.get_by_role("region", name="Failing, will be retried")
    failing.get_by_text("503, no healthy upstream").wait_for()
    page.get_by_role("region", name="Failed in the last 24 hours").get_by_role("table").wait_for()
    strip = page.get_by_role("navigation", name="Invocations by status")
    strip.get_by_role("link", name="2 paused").wait_for()
    assert axe_findings(page) == []
    person.get_by_role("link").first.click()
    page.get_by_role("grid", name="Invocations").locator(".tbody .tr").nth(1).wait_for()
    assert "status = 'paused' and service = 'Order'" in page.get_by_label("where").input_value()


@pytest.mark.parametrize(
    ("title", "verb", "where"),
    [
        ("Failing, will be retried", "deliver", "status = 'backing_off'"),
        ("Failed in the last 24 hours", "refuse", "outcome = 'failed'"),
    ],
)
def test_a_group_of_failures_shows_its_latest_error(
    title: str, verb: str, where: str, stage: Stage, open_page: Open
) -> None:
    for count, parcel in enumerate(("parcel 9", "parcel 89"), start=1):  # the first is the last by alphabet
        stage.do(stage.client.send_by_name, Target("Courier", None, verb), b'"%b"' % parcel.encode())
        stage.do(come_to, stage, where, count)
    group = open_page(stage.address()).get_by_role("region", name=title).get_by_role("row").nth(1)
    group.get_by_text("Courier/" + verb).wait_for()
    assert "parcel 89 fell off" in group.inner_text()


def test_an_invocation_is_listed_while_it_waits_for_a_signal(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address())
    page.get_by_text(CALM).wait_for()
    argument = b'{"lines": [{"article": "chair", "count": 10, "price": 50.0}], "city": "city-1"}'
    ids = [
        stage.do(stage.client.send_by_name, Target("Order", f"dear-{n}", "run"), argument).invocation_id
        for n in range(3)
    ]
    waiting = page.get_by_role("region", name="Needs attention").get_by_role("table", name="Waiting for a signal")
    waiting.get_by_role("link", name="3 invocations of Order/run").wait_for()
    assert "signal approval" in waiting.inner_text()
    assert waiting.get_by_role("row").count() == 2
    assert axe_findings(page) == []
    oldest = stage.do(
        stage.client.query, "select id from sys_invocation where awaited_signal is not null order by awaited_since"
    ).rows[0][0]
    assert waiting.locator(f"a[href*='{oldest}']").count() == 1
    waiting.get_by_role("link", name="3 invocations").click()
    page.get_by_role("grid", name="Invocations").locator(".tbody .tr").nth(2).wait_for()
    page.go_back()
    for of in ids:
        stage.do(stage.client.invocation(of).signal, "approval", {"approved": True, "by": "ada"})
    page.get_by_text(CALM).wait_for()


def test_gates_are_closed_and_opened_with_a_reason(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address())
    page.get_by_text(CALM).wait_for()
    page.get_by_role("button", name="Close a gate…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Scope").fill("service:Order")
    dialog.get_by_label("Reason").fill("the stock is counted")
    assert axe_findings(page) == []
    dialog.get_by_role("button", name="Close the gate").click()
    alarm = page.get_by_role("region", name="Needs attention")
    alarm.get_by_text("the stock is counted").wait_for()
    sent = stage.do(stage.client.send_by_name, Target("Order", "x", "run"), b'{"lines": [], "city": "a"}')
    assert stage.do(stage.client.invocation(sent.invocation_id).info).phase == "held"
    alarm.get_by_role("button", name="Open…").click()
    page.get_by_role("dialog").get_by_role("button", name="Open the gate").click()
    page.get_by_text(CALM).wait_for()


def test_counts_and_the_pulse_follow_what_happens(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address())
    page.get_by_text("live", exact=True).wait_for()
    page.get_by_text("Nothing has been called yet").wait_for()
    page.evaluate(WATCH_THROUGHPUT)
    for number in range(20):
        stage.do(stage.client.call_by_name, Target("Basket", f"b{number}", "put"), b'{"article": "lamp", "count": 1}')
    page.get_by_role("navigation", name="Invocations by status").get_by_role("link", name="20 succeeded").wait_for()
    page.get_by_role("region", name="Services and objects").get_by_text("Basket/put").wait_for()
    page.get_by_text(", p95 ").wait_for()
    page.wait_for_function("() => window.hasWorked")


def test_throughput_begins_before_the_page_was_opened(stage: Stage, open_page: Open) -> None:
    async def work() -> None:
        for number in range(40):
            await stage.client.call_by_name(Target("Basket", f"b{number}", "put"), b'{"article": "lamp", "count": 1}')
        before = int(time.time())
        while int(time.time()) == before:  # the chart has seconds that are over
            await trio.sleep(0.05)

    # The page tells of the last ten seconds, and a slow machine takes longer to open it.
    def as_if_asked_at_once(route: Route) -> None:
        told = route.fetch().json()
        late = int(told["now"]) - 1 - max(one["at"] for one in told["seconds"])
        seconds = [{**one, "at": one["at"] + late} for one in told["seconds"]]
        route.fulfill(json={**told, "seconds": seconds})

    stage.do(work)
    page = open_page()
    page.route("**/metrics/throughput", as_if_asked_at_once)
    page.goto(stage.address())
    page.wait_for_function("() => document.querySelector('figure')?.innerText.match(/^[1-9]/)")
    counted = stage.do(stage.served.http.get, "/metrics/throughput").json()
    assert sum(one["succeeded"] for one in counted["seconds"]) == 40
    assert sum(one["otherwise"] for one in counted["seconds"]) == 0


WATCH_THROUGHPUT = """() => {
    const look = () => { window.hasWorked ||= /^(0\\.[1-9]|[1-9])/.test(document.querySelector('figure')?.innerText ?? ''); };
    new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}"""
"""Remembers that the page has told of throughput: that of the last ten seconds, so a slow machine may look too late."""

AHEAD_SECONDS = 300
AHEAD = """(ahead) => {
    const now = Date.now;
    Date.now = () => now() + ahead * 1000;
    window.drawn = [];
    const draw = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...place) {
        window.drawn.push(text);
        return draw.call(this, text, ...place);
    };
}"""


@pytest.mark.parametrize("ahead", [0, AHEAD_SECONDS, -AHEAD_SECONDS])
def test_throughput_is_told_by_the_servers_time_whatever_the_browser_takes_it_for(
    ahead: int, stage: Stage, open_page: Open
) -> None:
    page = open_page(timezone_id="UTC")
    page.add_init_script(f"({AHEAD})({ahead})")
    page.goto(stage.address())
    page.get_by_text("live", exact=True).wait_for()  # what ends before it is heard of is counted, and not measured
    page.get_by_text("nothing completed in the last minute").wait_for()
    page.evaluate(WATCH_THROUGHPUT)
    for number in range(20):
        stage.do(stage.client.call_by_name, Target("Basket", f"b{number}", "put"), b'{"article": "lamp", "count": 1}')
    page.get_by_text(", p95 ").wait_for()
    page.wait_for_function("() => window.hasWorked")
    labels = {text for text in page.evaluate("() => window.drawn") if text.count(":") == 2}
    now = time.time()
    told = {time.strftime("%H:%M:%S", time.gmtime(now - before)) for before in range(AHEAD_SECONDS - 70)}
    assert labels
    assert labels <= told


def test_jobs_are_listed_and_each_tells_what_became_of_its_items(stage: Stage, open_page: Open) -> None:
    filled(stage)

    async def resume() -> str:
        job = await stage.client.jobs.where("status = 'paused'").resume(reason="a try")
        await job.result()
        return str(job.id)

    stage.do(resume)
    page = open_page(stage.address("/jobs"))
    cells = page.get_by_role("grid", name="Jobs").get_by_role("gridcell")
    cells.first.wait_for()
    page.get_by_role("grid", name="Jobs").get_by_role("link", name="resume").click()
    page.get_by_text("2 changed").wait_for()
    page.get_by_role("row").nth(2).wait_for()
    assert axe_findings(page) == []


def test_a_look_at_the_jobs_does_not_cause_the_next(stage: Stage, open_page: Open) -> None:
    stage.do(stage.client.jobs.where("status = 'paused'").pause)
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/jobs?" in request.url else None)
    page.clock.install()
    page.goto(stage.address())
    page.get_by_role("region", name="Latest jobs").get_by_role("link", name="pause").wait_for()
    alarm = page.get_by_role("region", name="Needs attention")
    looks: list[int] = []
    for number in range(2):
        stage.do(stage.client.jobs.list)  # recorded, as what the page asks is
        stage.do(partial(stage.client.gates.close, "service:Order", reason=f"look {number}"))
        alarm.get_by_text(f"look {number}").wait_for()  # so the page has heard of the look before it
        page.clock.run_for(10_000)
        looks.append(len(asked))
        stage.do(stage.client.gates.open, "service:Order")
        alarm.get_by_text(f"look {number}").wait_for(state="detached")
    assert looks[-1] == looks[0]


def test_the_counts_are_one_answer_of_the_server_and_no_query(stage: Stage, open_page: Open) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.rpartition("/")[2]))
    let_go = hold_requests(page, "/overview", lambda request: request.resource_type == "fetch")
    page.goto(stage.address())
    page.get_by_text("No bulk job has been started").wait_for()
    let_go()
    page.get_by_text(CALM).wait_for()
    assert "overview" in asked
    assert "query" not in asked


CUT = """cell => {
    const style = getComputedStyle(cell);
    return {is_cut: cell.scrollWidth > cell.clientWidth, how: [style.display, style.overflowX, style.textOverflow]};
}"""


def test_a_job_whose_condition_is_too_long_is_cut_with_an_ellipsis(stage: Stage, open_page: Open) -> None:
    where = " or ".join(f"key = 'a guest with a long name, number {number}'" for number in range(20))
    stage.do(stage.client.jobs.where(where).pause)
    page = open_page(stage.address("/jobs"), viewport={"width": 1440, "height": 800})
    condition = page.get_by_role("grid", name="Jobs").get_by_role("gridcell").filter(has_text="a guest")
    condition.wait_for()
    assert condition.evaluate(CUT) == {"is_cut": True, "how": ["block", "hidden", "ellipsis"]}


def test_a_reading_token_sees_it_without_a_button_to_act(stage: Stage, open_page: Open) -> None:
    stage.do(lambda: stage.client.gates.close("everything", reason="a look"))
    page = open_page(stage.address("/overview", stage.served.tokens.create("eyes", TokenScope.READ)))
    page.get_by_text("a look").wait_for()
    assert page.get_by_role("button", name="Open…").count() == 0
    assert page.get_by_role("button", name="Close a gate…").count() == 0

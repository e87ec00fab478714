"""Objects: found by key, seen now and then, changed only as they were seen, and held by a gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest

import actors
from actors import Actor, Log, Map, handler
from actors.http.routes import TokenScope
from tests.console.stage import Stage, axe_findings, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Locator, Page, Route

    Open = Callable[..., Page]

HOSTILE = "<img src=x onerror=\"document.title='owned'\">\u202egnp.exe\u2066'"


@attrs.frozen
class Item:
    name: str
    price: float


class Cart(Actor):
    """What somebody is about to buy."""

    owner: str = "nobody"
    items: list[Item] = actors.field(factory=list)
    is_gift: bool = False
    note: str | None = None
    visits: Log[str]
    stock: Map[str, int]

    @handler
    async def add(self, name: str) -> int:
        self.owner = "alice"
        self.items.append(Item(name, 2.5))
        self.visits.append(name)
        self.stock[name] = self.stock.get(name, 0) + 1
        return len(self.items)

    @handler
    async def hold(self) -> str:
        return await actors.signal("go", str)


class Counter(Actor):
    value: int = 0
    name: str = "none"

    @handler
    async def set(self, value: int) -> None:
        self.value = value


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, Cart, Counter) as running:
        yield running


async def add(stage: Stage, key: str, *names: str) -> Any:
    for name in names:
        await stage.client.actor(Cart, key).add(name)
    return await stage.client.object(Cart, key).info()


async def hold(stage: Stage, key: str, times: int = 1) -> list[str]:
    return [(await stage.client.actor(Cart, key).hold.send()).id for _ in range(times)]


async def info(stage: Stage, key: str) -> Any:
    return await stage.client.object(Cart, key).info()


async def count(stage: Stage, first: int, last: int) -> Any:
    for value in range(first, last + 1):
        await stage.client.actor(Counter, "many").set(value)
    return await stage.client.object(Counter, "many").info()


def field(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=f"field {name}", exact=True)


# The list.


def test_an_object_is_found_by_how_its_key_begins(stage: Stage, open_page: Open) -> None:
    for key in ("alice", "alan", "bob"):
        stage.do(add, stage, key, "tea")
    page = open_page(stage.address("/objects"))
    rows = page.get_by_role("grid", name="Objects").locator(".tbody [role=row]")
    rows.nth(2).wait_for()
    rows.get_by_text('owner "alice"').first.wait_for()
    page.keyboard.press("/")
    page.keyboard.type("al")
    page.get_by_role("status").get_by_text("2", exact=True).wait_for()
    assert [row.locator("a").first.inner_text() for row in rows.all()] == ["Cart/alan", "Cart/alice"]
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Cart / alan").wait_for()
    page.go_back()
    assert page.get_by_label("key begins with").input_value() == "al", "what was looked for stands in the address"


def test_a_key_that_was_never_used_can_be_looked_at(stage: Stage, open_page: Open) -> None:
    stage.do(add, stage, "alice", "tea")
    page = open_page(stage.address("/objects?service=Cart&key=nobody%2Fhere"))
    page.get_by_text("No key begins with this text").wait_for()
    page.get_by_role("link", name="Open Cart/nobody/here anyway").click()
    page.get_by_text("This key was never used").wait_for()
    field(page, "owner").get_by_text('"nobody"').wait_for()


# Fields, and who holds them.


def test_an_object_is_shown_and_what_it_becomes_is_seen_at_once(stage: Stage, open_page: Open) -> None:
    stage.do(add, stage, "alice", "tea")
    page = open_page(stage.address("/objects/Cart/alice"))
    field(page, "owner").get_by_text('"alice"').wait_for()
    field(page, "stock").get_by_role("rowheader", name='"tea"').wait_for()
    field(page, "visits").get_by_text("1 entry").wait_for()
    page.get_by_text("None. The next call starts at once.").wait_for()
    stage.do(add, stage, "alice", "milk")
    field(page, "stock").get_by_role("rowheader", name='"milk"').wait_for()
    ids = stage.do(hold, stage, "alice", 3)
    holder = page.get_by_role("region", name="Holder")
    holder.get_by_text("holds the key").wait_for()
    holder.get_by_role("listitem").nth(1).wait_for()
    assert [link.get_attribute("title") for link in holder.get_by_role("link").all()] == ids


def test_every_place_of_the_slider_has_the_time_of_its_event(stage: Stage, open_page: Open) -> None:
    last = stage.do(add, stage, "alice", "tea").version
    stage.do(add, stage, "alice", "milk")
    moments = [stage.do(lambda at=at: stage.client.object("Cart", "alice").info(at=at)) for at in range(1, last + 1)]
    page = open_page(stage.address("/objects/Cart/alice"))
    slider = page.get_by_role("slider", name="As of event")
    for moment in moments:
        slider.fill(str(moment.version))
        page.wait_for_function(
            """([version, at]) => {
                const words = document.querySelector(".slide-words").innerText;
                const time = document.querySelector(".event-time")?.innerText ?? "";
                const parts = new Intl.DateTimeFormat(undefined, { second: "2-digit", fractionalSecondDigits: 3 }).formatToParts(at * 1000);
                const value = (type) => parts.find((part) => part.type === type).value;
                return words.includes(`after event ${version} of`) && time.includes(`${value("second")}.${value("fractionalSecond")}`);
            }""",
            arg=[moment.version, moment.version_at],
        )
    assert len(moments) > 2


def test_the_slider_shows_the_object_as_of_any_event(stage: Stage, open_page: Open) -> None:
    first = stage.do(add, stage, "alice", "tea")
    stage.do(add, stage, "alice", "milk", "rice")
    page = open_page(stage.address("/objects/Cart/alice"))
    field(page, "visits").get_by_text("3 entries").wait_for()
    page.get_by_role("slider", name="As of event").fill(str(first.version))
    page.get_by_text("Past state after event").wait_for()
    field(page, "visits").get_by_text("1 entry").wait_for()
    field(page, "items").get_by_text("differs from now").wait_for()
    field(page, "stock").get_by_role("rowheader", name='"tea"').wait_for()
    assert field(page, "stock").get_by_role("rowheader").count() == 1
    assert f"at={first.version}" in page.url
    page.reload()
    field(page, "visits").get_by_text("1 entry").wait_for()
    page.get_by_role("button", name="Next change", disabled=False).wait_for()
    page.keyboard.press("]")
    field(page, "visits").get_by_text("2 entries").wait_for()
    page.get_by_role("button", name="Now").click()
    field(page, "visits").get_by_text("3 entries").wait_for()


def test_the_history_of_a_field_leads_to_each_of_its_times(stage: Stage, open_page: Open) -> None:
    first = stage.do(add, stage, "alice", "tea")
    stage.do(add, stage, "alice", "milk")
    page = open_page(stage.address("/objects/Cart/alice"))
    field(page, "items").get_by_role("button", name="history").click()
    history = page.get_by_role("table", name="Changes of items")
    history.get_by_role("row").nth(2).wait_for()
    assert '+\t    "name": "milk"' in history.get_by_role("group").first.inner_text()
    history.get_by_role("button", name=str(first.fields_version), exact=True).click()
    page.get_by_text("Past state after event").wait_for()


def test_an_object_with_many_changes_is_seen_as_it_is_and_as_it_was(stage: Stage, open_page: Open) -> None:
    earlier = stage.do(count, stage, 1, 9)
    early = stage.do(count, stage, 10, 10)
    now = stage.do(count, stage, 11, 450)
    page = open_page(stage.address("/objects/Counter/many"))
    words = page.locator(".slide-words")
    words.get_by_text(f"last changed by event {now.version:,}: value").wait_for()
    field(page, "value").get_by_role("button", name="history").click()
    history = page.get_by_role("table", name="Changes of value")
    assert history.get_by_role("row").nth(1).locator(".became").inner_text() == "450"
    page.get_by_text("The latest 200 changes; there are older ones.").wait_for()
    page.get_by_role("button", name="load older changes").click()
    page.get_by_text("The latest 400 changes; there are older ones.").wait_for()
    page.get_by_role("button", name="load older changes").click()
    page.get_by_text("there are older ones").wait_for(state="detached")
    values = history.locator("tbody .became").all_inner_texts()
    assert values == [str(value) for value in range(450, 0, -1)]
    page.reload()
    page.get_by_text("are not marked").wait_for()
    page.get_by_role("slider", name="As of event").fill(str(early.version))
    words.get_by_text(f"last changed by event {early.version:,}: value").wait_for()
    field(page, "value").get_by_text("10", exact=True).wait_for()
    page.keyboard.press("[")
    field(page, "value").get_by_text("9", exact=True).wait_for()
    words.get_by_text(f"last changed by event {earlier.version:,}: value").wait_for()
    page.keyboard.press("]")
    words.get_by_text(f"last changed by event {early.version:,}: value").wait_for()
    page.keyboard.press("]")
    field(page, "value").get_by_text("11", exact=True).wait_for()


MARKS_AND_WORDS = """() => {
  const section = document.querySelector(".slider");
  window.seen = [];
  new MutationObserver(() => window.seen.push([
    section.querySelectorAll(".ticks span").length, section.querySelector(".slide-words").innerText,
  ])).observe(section, { childList: true, subtree: true, characterData: true });
}"""


def test_while_an_object_is_written_all_the_time_its_marks_stay_and_only_what_is_new_is_read(
    stage: Stage, open_page: Open
) -> None:
    stage.do(count, stage, 1, 20)
    page = open_page(stage.address("/objects/Counter/many?field=value"))
    page.locator(".ticks span").nth(19).wait_for(state="attached")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.evaluate(MARKS_AND_WORDS)
    for value in range(21, 81):
        stage.do(count, stage, value, value)
        page.evaluate("() => new Promise(requestAnimationFrame)")
    field(page, "value").get_by_text("80", exact=True).first.wait_for()
    page.locator(".ticks span").nth(79).wait_for(state="attached")
    marks = page.evaluate("() => window.seen.map(([marks]) => marks)")
    assert marks == sorted(marks)
    assert (
        page.evaluate("() => window.seen.filter(([, words]) => words.includes('nothing had been written')).length") == 0
    )
    behind = {
        int(parse_qs(urlsplit(url).query)["after"][0]) for url in asked if url.split("?")[0].endswith("/value/history")
    }
    assert behind
    assert 0 not in behind, "what is known is not read again"


# Changes.


def test_an_edit_is_seen_as_a_difference_before_it_is_applied(stage: Stage, open_page: Open) -> None:
    stage.do(add, stage, "alice", "tea")
    page = open_page(stage.address("/objects/Cart/alice"))
    page.get_by_role("button", name="Edit fields").click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_role("button", name="Nothing has been changed").is_disabled()
    dialog.get_by_role("textbox", name="owner").fill("Bob")
    dialog.get_by_role("combobox", name="is_gift").select_option("true")
    dialog.get_by_label("note is null").uncheck()
    dialog.get_by_role("textbox", name="note").fill("ring twice")
    dialog.get_by_label("its default, []").check()
    dialog.get_by_role("button", name="Show what changes (4)").click()
    before = dialog.get_by_role("region", name="change of owner").inner_text()
    assert "alice" in before
    assert "Bob" in before
    assert stage.do(info, stage, "alice").fields["owner"] == "alice", "nothing is written yet"
    dialog.get_by_label("Reason").fill("he asked for it")
    dialog.get_by_role("button", name="Apply").click()
    dialog.wait_for(state="detached")
    field(page, "owner").get_by_text('"Bob"').wait_for()
    kept = stage.do(info, stage, "alice").fields
    assert kept == {"owner": "Bob", "is_gift": True, "note": "ring twice", "items": []}


def test_an_edit_of_what_has_changed_meanwhile_is_refused_and_what_was_typed_is_kept(
    stage: Stage, open_page: Open, complaints: list[str]
) -> None:
    stage.do(add, stage, "alice", "tea")
    page = open_page(stage.address("/objects/Cart/alice"))
    page.get_by_role("button", name="Edit fields").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="owner").fill("Bob")
    dialog.get_by_role("button", name="Show what changes").click()
    stage.do(add, stage, "alice", "milk")
    dialog.get_by_role("button", name="Apply").click()
    dialog.get_by_role("alert").wait_for()
    assert stage.do(info, stage, "alice").fields["owner"] == "alice"
    dialog.get_by_role("button", name="Reload the fields").click()
    assert dialog.get_by_role("textbox", name="owner").input_value() == "Bob"
    dialog.get_by_role("button", name="Show what changes").click()
    dialog.get_by_role("button", name="Apply").click()
    dialog.wait_for(state="detached")
    kept = stage.do(info, stage, "alice").fields
    assert (kept["owner"], len(kept["items"])) == ("Bob", 2), "and what came meanwhile is not undone"
    complaints[:] = [said for said in complaints if "409" not in said]


def test_json_that_is_none_is_not_applied(stage: Stage, open_page: Open) -> None:
    stage.do(add, stage, "alice", "tea")
    page = open_page(stage.address("/objects/Cart/alice"))
    page.get_by_role("button", name="Edit fields").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="owner").fill("Bob")
    dialog.get_by_role("textbox", name="items").fill("[{")
    dialog.get_by_text("Not valid JSON").wait_for()
    dialog.get_by_role("button", name="Show what changes").click()
    assert page.get_by_role("dialog", name="Changes").count() == 0


def test_items_of_a_map_are_added_changed_and_removed(stage: Stage, open_page: Open) -> None:
    stage.do(add, stage, "alice", "tea", "milk")
    page = open_page(stage.address("/objects/Cart/alice"))
    stock, dialog = field(page, "stock"), page.get_by_role("dialog")

    def apply() -> None:
        dialog.get_by_role("button", name="Apply").click()
        dialog.wait_for(state="detached")

    stock.get_by_role("button", name="add an item").click()
    dialog.get_by_label("Key").fill(HOSTILE)
    dialog.get_by_label("Value").fill("7")
    dialog.get_by_role("button", name="Show what changes").click()
    apply()
    stock.get_by_role("rowheader").nth(2).wait_for()
    stock.get_by_role("button", name='edit "tea"').click()
    dialog.get_by_label("Value").fill("5")
    dialog.get_by_role("button", name="Show what changes").click()
    apply()
    stock.get_by_role("row").filter(has_text='"tea"').get_by_text("5", exact=True).wait_for()
    stock.get_by_role("button", name='edit "milk"').click()
    dialog.get_by_role("button", name="Remove it…").click()
    dialog.get_by_text("is removed").wait_for()
    apply()
    stock.get_by_role("rowheader", name='"milk"').wait_for(state="detached")

    async def items() -> dict[str, Any]:
        return {one.item: one.value for one in await stage.client.object(Cart, "alice").items("stock")}

    assert sorted(stage.do(items).values()) == [5, 7]
    assert page.title() != "owned"


def test_every_gate_that_holds_some_of_its_work_is_told_with_who_closed_it_and_why(
    stage: Stage, open_page: Open
) -> None:
    async def close(*scopes: str) -> None:
        for scope in scopes:
            await stage.client.acting_as("user:ada", "here").gates.close(scope, reason=f"because of {scope}")

    stage.do(add, stage, "alice", "tea")
    stage.do(close, "handler:Cart/hold", "handler:Counter/set", "everything")
    page = open_page()

    # Code that is registered takes a server with files; what the page makes of it is asked here.
    def with_code(route: Route) -> None:
        gate = {"state": "closed", "mode": "drain", "since": 1e9, "by": "user:bob", "reason": "it leaks"}
        told = route.fetch().json()["gates"]
        route.fulfill(
            json={"gates": [*told, *({**gate, "scope": f"deployment:{code}"} for code in ("dep_new", "dep_old"))]}
        )

    page.route("**/gates", with_code)
    page.route(
        "**/deployments", lambda route: route.fulfill(json={"deployments": [{"id": "dep_new", "is_latest": True}]})
    )
    page.goto(stage.address("/objects/Cart/alice"))
    notice = page.get_by_role("main").get_by_role("status").filter(has_text="The gate")
    notice.get_by_text("it leaks").wait_for()
    assert notice.locator("b").all_inner_texts() == ["handler:Cart/hold", "everything", "deployment:dep_new"]
    assert "calls of hold are accepted and wait. Closed by user:ada" in notice.inner_text()
    stage.do(lambda: stage.client.gates.open("key:Cart/alice", reason="this one may"))
    notice.get_by_text("because of everything").wait_for(state="detached")
    assert notice.locator("b").all_inner_texts() == ["handler:Cart/hold", "deployment:dep_new"]


def test_the_dialog_of_a_gate_stays_what_it_was_opened_for(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/objects/Cart/alice"))
    page.get_by_role("button", name="Close the gate").click()
    stage.do(lambda: stage.client.gates.close("key:Cart/alice", reason="somebody was faster"))
    page.get_by_text("somebody was faster").wait_for()
    dialog = page.get_by_role("dialog", name="Close the gate")
    dialog.get_by_label("Reason").fill("stocktaking")
    dialog.get_by_role("button", name="Close the gate").click()
    page.get_by_role("dialog").wait_for(state="detached")
    (gate,) = stage.do(stage.client.gates.list)
    assert gate.state.value == "closed"


def test_the_gate_of_a_key_is_closed_and_opened_with_a_reason(stage: Stage, open_page: Open) -> None:
    key = "a/b " + HOSTILE
    stage.do(add, stage, key, "tea")
    page = open_page(stage.address("/objects?key=a"))
    page.get_by_role("grid").locator(".tbody a").first.click()
    page.get_by_role("button", name="Close the gate").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("stocktaking")
    dialog.get_by_role("button", name="Close the gate").click()
    page.get_by_text("is closed: calls are accepted and wait").wait_for()

    async def gates() -> list[tuple[str, str]]:
        return [(gate.scope, gate.reason) for gate in await stage.client.gates.list()]

    assert stage.do(gates) == [(f"key:Cart/{key}", "stocktaking")]
    page.get_by_role("button", name="Open the gate").click()
    dialog.get_by_label("Reason").fill("done")
    dialog.get_by_role("button", name="Open the gate").click()
    page.get_by_role("button", name="Close the gate").wait_for()
    assert stage.do(gates) == []


# For whom, and how it looks.


def test_a_token_that_reads_sees_no_buttons_that_act(stage: Stage, open_page: Open) -> None:
    stage.do(add, stage, "alice", "tea")
    secret = stage.served.tokens.create("reader", TokenScope.READ)
    page = open_page(stage.address("/objects/Cart/alice", secret))
    field(page, "stock").get_by_role("rowheader").wait_for()
    names = {button.inner_text().strip() for button in page.get_by_role("main").get_by_role("button").all()}
    assert {name for name in names if any(word in name.lower() for word in ("edit", "gate", "add"))} == set()


def test_keys_and_values_stay_text(stage: Stage, open_page: Open) -> None:
    stage.do(add, stage, HOSTILE, HOSTILE)
    page = open_page(stage.address("/objects"))
    page.get_by_role("grid").get_by_text("\\u202egnp.exe\\u2066").first.wait_for()
    page.get_by_role("grid").locator(".tbody a").first.click()
    field(page, "items").get_by_text("<img src=x").first.wait_for()
    field(page, "items").get_by_role("button", name="history").click()
    page.get_by_role("table", name="Changes of items").get_by_text("<img src=x").first.wait_for()
    assert page.locator("main img").count() == 0
    assert "\u202e" not in page.get_by_role("main").inner_text()
    assert page.title() != "owned"


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desk", "phone"])
def test_it_has_no_serious_finding_and_never_scrolls_sideways(
    size: tuple[int, int], stage: Stage, open_page: Open
) -> None:
    stage.do(add, stage, "alice", "tea", "milk")
    stage.do(hold, stage, "alice", 2)
    page = open_page(stage.address("/objects"), viewport={"width": size[0], "height": size[1]})
    sideways = "() => document.documentElement.scrollWidth > innerWidth"
    page.get_by_role("grid").get_by_text("alice").first.wait_for()
    assert axe_findings(page) == []
    assert not page.evaluate(sideways)
    page.evaluate("() => { location.hash = '#/objects/Cart/alice?field=items&at=5' }")
    page.get_by_role("table", name="Changes of items").wait_for()
    assert axe_findings(page) == []
    assert not page.evaluate(sideways)
    page.get_by_role("button", name="Edit fields").click()
    page.get_by_role("dialog").wait_for()
    assert axe_findings(page) == []


def test_without_keyed_classes_it_says_what_an_object_is(tmp_path: Path, open_page: Open) -> None:
    with staged(tmp_path) as stage:
        page = open_page(stage.address("/objects"))
        page.get_by_text("No class with keys is served").wait_for()
        page.context.close()

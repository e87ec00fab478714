"""Trying handlers: a form made from their types, which calls or sends, and leads to what became of it."""

from __future__ import annotations

import enum
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import attrs
import pytest

import actors
from actors import Actor, Service, handler, shared
from actors.http.routes import TokenScope
from tests.console.stage import Stage, axe_findings, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    Open = Callable[..., Page]

HOSTILE = "<img src=x onerror=\"document.title='owned'\">\u202egnp.exe"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@attrs.frozen
class Item:
    name: str
    price: float
    colour: Colour = Colour.RED


class Cart(Actor):
    """What somebody is about to buy."""

    items: list[Item] = actors.field(factory=list)

    @handler
    async def add(self, item: Item, count: int = 1, note: str | None = None) -> dict[str, Any]:
        """Put something into the cart."""
        self.items.append(item)
        return {"name": item.name, "colour": item.colour.value, "count": count, "note": note}

    @handler
    async def weigh(self, grams: Decimal) -> Decimal:
        return grams

    @shared
    async def size(self) -> int:
        return len(self.items)


class StrangerError(actors.TerminalError):
    """Another server's refusal."""

    http_status = 401


class Task(Service):
    @handler
    async def wait(self, name: str) -> str:
        return await actors.signal(name, str)

    @handler
    async def tell(self, text: str, item: Item, counts: dict[str, int]) -> dict[str, Any]:
        return {"text": text, "price": item.price, "counts": counts}

    @handler
    async def fail(self, why: str) -> str:
        raise actors.TerminalError(why)

    @handler(retry=actors.RetryPolicy(max_attempts=1, on_exhausted="fail"))
    async def ask_another_server(self, why: str) -> str:
        raise StrangerError(why)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, Cart, Task) as running:
        yield running


def test_a_form_keeps_lines_sends_no_number_that_it_does_not_show_and_begins_with_what_fits(
    stage: Stage, open_page: Open
) -> None:
    page = open_page(stage.address("/try?service=Task&handler=tell"))
    page.get_by_role("textbox", name="text", exact=True).fill("one\ntwo")
    page.get_by_role("textbox", name="name", exact=True).fill("tea")
    price = page.get_by_role("spinbutton", name="price")
    price.fill("")
    assert price.input_value() == ""
    page.get_by_role("button", name="Call and wait").click()
    assert stage.do(found, stage) == [], "a number that is not there is not sent"
    price.fill("2.5")
    page.get_by_role("button", name="Call and wait").click()
    page.get_by_role("heading", name="Its result").wait_for()
    (one,) = stage.do(found, stage)

    async def result() -> Any:
        return await stage.client.invocation(one.id).result()

    assert stage.do(result) == {"text": "one\ntwo", "price": 2.5, "counts": {}}


async def found(stage: Stage) -> list[Any]:
    return list(await stage.client.invocations())


def test_a_handler_is_called_with_what_its_types_ask_for(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/try"))
    page.get_by_role("navigation", name="Handlers").get_by_role("link", name="add").click()
    page.get_by_text("Put something into the cart.").wait_for()
    page.get_by_role("textbox", name="Key The object").fill("a/b")
    page.get_by_role("textbox", name="name", exact=True).fill(HOSTILE)
    page.get_by_role("spinbutton", name="price").fill("2.5")
    page.get_by_role("combobox", name="colour").select_option("blue")
    page.get_by_label("give count").check()
    page.get_by_role("spinbutton", name="count").fill("3")
    page.get_by_role("button", name="Call and wait").click()
    result = page.get_by_role("group", name="result")
    result.get_by_text('"blue"').wait_for()
    result.get_by_text("<img src=x").wait_for()
    assert page.locator("main img").count() == 0
    assert "\u202e" not in result.inner_text()
    assert page.title() != "owned"
    (one,) = stage.do(found, stage)
    assert (one.target.key, one.outcome.value["count"], one.outcome.value["note"]) == ("a/b", 3, None)
    page.get_by_role("link", name="Open the invocation").click()
    page.wait_for_url(f"**/ui/#/invocations/{one.id}")


def test_what_does_not_fit_the_types_is_told_where(stage: Stage, open_page: Open, complaints: list[str]) -> None:
    page = open_page(stage.address("/try?service=Cart&handler=weigh&key=a"))
    page.get_by_role("textbox", name="grams").fill("heavy")
    page.get_by_role("button", name="Call and wait").click()
    page.get_by_role("heading", name="It was refused").wait_for()
    page.get_by_text("At $.grams").wait_for()
    assert stage.do(found, stage) == []
    complaints[:] = [said for said in complaints if "400" not in said]


def test_a_message_is_sent_later_and_once_under_its_key(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/try?service=Task&handler=wait"))
    page.get_by_role("textbox", name="name", exact=True).fill("go")
    page.get_by_text("Idempotency key, delay").click()
    page.get_by_role("textbox", name="Idempotency key").fill("once")
    page.get_by_role("textbox", name="Delay").fill("1h")
    page.get_by_role("button", name="Send, in 1h").click()
    page.get_by_role("heading", name="Accepted and durable").wait_for()
    page.get_by_role("button", name="Send, in 1h").click()
    page.get_by_text("It was already sent").wait_for()
    (one,) = stage.do(found, stage)
    assert one.status.value == "scheduled"
    page.get_by_role("link", name="Open the invocation").wait_for()


def test_who_stops_waiting_does_not_stop_what_runs(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/try?service=Task&handler=wait"))
    page.get_by_role("textbox", name="name", exact=True).fill("go")
    page.get_by_role("button", name="Call and wait").click()
    page.get_by_text("It is running; the result appears here").wait_for()

    async def one_runs() -> bool:
        return [one.outcome for one in await stage.client.invocations()] == [None]

    seen = 0
    while not stage.do(one_runs):
        seen += 1
        assert seen < 1_000
    page.get_by_role("button", name="Stop waiting").click()
    page.get_by_role("button", name="Call and wait").wait_for()
    assert stage.do(one_runs)


def test_a_failure_is_shown_with_the_way_to_its_invocation(
    stage: Stage, open_page: Open, complaints: list[str]
) -> None:
    page = open_page(stage.address("/try?service=Task&handler=fail"))
    page.get_by_role("textbox", name="why").fill(HOSTILE)
    page.get_by_role("button", name="Call and wait").click()
    page.get_by_role("heading", name="It has failed").wait_for()
    page.get_by_role("alert").get_by_text("<img src=x").wait_for()
    page.get_by_role("link", name="Open the invocation").wait_for()
    assert page.locator("main img").count() == 0
    complaints[:] = [said for said in complaints if "500" not in said]


def test_a_token_that_reads_sees_no_buttons_that_act(stage: Stage, open_page: Open) -> None:
    secret = stage.served.tokens.create("reader", TokenScope.READ)
    page = open_page(stage.address("/try?service=Cart&handler=add", secret))
    page.get_by_text("Yours has the scope read").wait_for()
    assert page.get_by_role("main").get_by_role("button").count() == 0


@pytest.mark.parametrize("size", [(1280, 800), (390, 844)], ids=["desk", "phone"])
def test_it_has_no_serious_finding_and_never_scrolls_sideways(
    size: tuple[int, int], stage: Stage, open_page: Open
) -> None:
    address = stage.address("/try?service=Cart&handler=add&key=a")
    page = open_page(address, viewport={"width": size[0], "height": size[1]})
    page.get_by_label("give note").check()
    page.get_by_text("Idempotency key, delay").click()
    assert axe_findings(page) == []
    page.get_by_role("button", name="Call and wait").click()
    page.get_by_role("group", name="result").wait_for()
    assert axe_findings(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")


def test_without_an_application_it_says_how_to_serve_one(tmp_path: Path, open_page: Open) -> None:
    with staged(tmp_path) as stage:
        page = open_page(stage.address("/try"))
        page.get_by_text("Nothing is served").wait_for()
        page.context.close()


def test_a_recorded_failure_of_any_status_signs_nobody_out(
    stage: Stage, open_page: Open, complaints: list[str]
) -> None:
    page = open_page(stage.address("/try/Task/ask_another_server"))
    page.get_by_label("why", exact=True).fill("the other server knows no such token")
    with page.expect_response(lambda response: response.status == 401):
        page.get_by_role("button", name="Call and wait").click()
    page.get_by_role("main").get_by_text("the other server knows no such token").first.wait_for()
    assert page.get_by_role("dialog").count() == 0
    assert page.get_by_text("Sign in with a token").count() == 0
    assert page.get_by_label("why", exact=True).input_value() == "the other server knows no such token"
    complaints.clear()  # the browser says that an answer was 401

"""The console as a whole: how it is served, who may see what, and what it does when the server is gone for a while."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest
import trio

import actors
from actors import Service, handler
from actors.http.routes import TokenScope
from actors.http.server.console import ROUTES, policy, static_file
from journal.events import Target
from tests.console.proxy import proxied
from tests.console.stage import Stage, axe_findings, hold_requests, is_stream, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page, Request

    Open = Callable[..., Page]


class Waiter(Service):
    @handler
    async def wait(self, name: str) -> str:
        return await actors.signal(name, str)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, Waiter) as running:
        yield running


async def sent(stage: Stage, name: str = "go") -> str:
    answer = await stage.client.send_by_name(Target("Waiter", None, "wait"), b'"%b"' % name.encode())
    return str(answer.invocation_id)


async def waiting(stage: Stage) -> str:
    """One that waits for its signal."""
    of = await sent(stage)
    while not (await stage.client.invocation(of).info()).waits:
        await trio.sleep(0.01)
    return of


# How it is served.


def test_every_file_has_a_tag_a_type_and_no_way_to_another_site(stage: Stage) -> None:
    async def check() -> None:
        for route in ROUTES:
            answered = await stage.served.bare("GET", route.path, follow_redirects=False)
            if answered.status_code == 307:
                assert answered.headers["location"] == "ui/"
                continue
            assert answered.status_code == 200, route.path
            assert answered.headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in answered.headers["content-security-policy"]
            again = await stage.served.bare("GET", route.path, headers={"if-none-match": answered.headers["etag"]})
            assert (again.status_code, again.content) == (304, b""), route.path
            expected = "immutable" if "/vendor/" in route.path else "no-cache"
            assert expected in answered.headers["cache-control"], route.path

    stage.do(check)


def test_the_policy_lets_in_nothing_but_the_pages_own_modules() -> None:
    found = dict(part.split(" ", 1) for part in policy(static_file("index.html").content).split("; "))
    assert found.pop("script-src").startswith("'self' 'sha256-")
    assert found == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
    }


def test_files_are_served_by_name_alone(stage: Stage) -> None:
    async def check() -> None:
        for path in ("/ui/../app.js", "/ui/%2e%2e/serving.py", "/ui/README.md", "/ui/vendor/", "/ui/lib%2Fapi.js"):
            answered = await stage.served.raw(
                b"GET %b HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n" % path.encode()
            )
            assert answered.startswith(b"HTTP/1.1 401"), path

    stage.do(check)


def test_the_page_asks_nobody_but_its_own_server(stage: Stage, open_page: Open) -> None:
    page = open_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(stage.address("/invocations"))
    page.get_by_role("navigation", name="Pages").wait_for()
    assert asked
    assert [url for url in asked if not url.startswith(stage.served.url + "/")] == []


def test_it_works_behind_a_prefix(stage: Stage, open_page: Open) -> None:
    with proxied(stage.served.port, prefix="/ops/playhead") as proxy:
        asked: list[Request] = []
        page = open_page()
        page.on("request", lambda request: asked.append(request))
        page.goto(f"{proxy.url}/ops/playhead/#token={stage.served.token}")
        page.get_by_text("live", exact=True).wait_for()
        assert page.url.startswith(f"{proxy.url}/ops/playhead/ui/")
        assert [request.url for request in asked if not request.url.startswith(f"{proxy.url}/ops/playhead/")] == []
        for link in page.get_by_role("navigation", name="Pages").get_by_role("link").all():
            link.click()
            assert page.url.startswith(f"{proxy.url}/ops/playhead/ui/#/")
        page.context.close()


# Who sits before it.


def test_a_token_in_the_address_is_taken_out_of_it_and_kept_for_the_tab(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/invocations"))
    page.get_by_text("main · admin").wait_for()
    assert page.url == f"{stage.url}#/invocations"
    page.go_back()  # to the blank page that was there before: no entry of the history has it
    assert stage.served.token not in page.url
    page.go_forward()
    page.get_by_text("main · admin").wait_for()
    assert page.evaluate("() => Object.values(localStorage).join() + document.cookie") in ("auto", "")


def test_without_a_token_it_asks_for_one_and_says_what_is_wrong_with_it(
    stage: Stage, open_page: Open, complaints: list[str]
) -> None:
    page = open_page(stage.url)
    field = page.get_by_label("Token")
    field.fill("wrong")
    field.press("Enter")
    page.get_by_role("alert").wait_for()
    assert "no valid token" in page.get_by_role("alert").inner_text()
    assert axe_findings(page) == []
    field.fill(stage.served.token)
    field.press("Enter")
    page.get_by_text("main · admin").wait_for()
    page.reload()
    page.get_by_text("main · admin").wait_for()
    page.get_by_role("button", name="sign out").click()
    page.get_by_label("Token").wait_for()
    assert page.evaluate("() => Object.values(sessionStorage).join()") == ""
    refused = [said for said in complaints if "401" in said]
    complaints[:] = [said for said in complaints if said not in refused]


def test_an_open_server_asks_for_none(tmp_path: Path, open_page: Open) -> None:
    with staged(tmp_path, Waiter, is_open=True) as stage:
        page = open_page(stage.url)
        page.get_by_text("anyone · admin").wait_for()
        assert page.get_by_role("button", name="sign out").count() == 0
        page.context.close()


def test_a_token_that_only_calls_is_told_what_it_lacks(stage: Stage, open_page: Open) -> None:
    secret = stage.served.tokens.create("caller", TokenScope.INVOKE)
    page = open_page(stage.address("/invocations", secret))
    page.get_by_text("this page needs read").wait_for()


# What an address asks for.

LINKED = [("/invocations?where=", "service%20%3D%20'Waiter'", "where"), ("/sql?q=", "select%201", "sql")]


@pytest.mark.parametrize(("place", "asked", "field"), LINKED, ids=["where", "sql"])
def test_a_query_from_elsewhere_is_shown_and_waits_to_be_run(
    place: str, asked: str, field: str, tmp_path: Path, open_page: Open
) -> None:
    with staged(tmp_path, Waiter, is_open=True) as stage:
        stage.do(waiting, stage)
        page = open_page()
        queries: list[str] = []
        page.on("request", lambda request: queries.append(request.post_data) if is_query_of(request, asked) else None)
        page.goto(f"{stage.url}#{place}{asked}")
        page.get_by_text("came with the link").wait_for()
        page.evaluate("address => { location.hash = address; }", f"{place}{asked.replace('%20', '%20%20')}")
        other = unquote(asked.replace("%20", "%20%20"))
        page.wait_for_function("([id, text]) => document.getElementById(id).value === text", arg=[field, other])
        page.get_by_text("came with the link").wait_for()
        assert axe_findings(page) == []
        page.get_by_role("grid").wait_for(state="detached")
        assert queries == []
        page.get_by_role("button", name=re.compile("^Run")).click()
        page.get_by_role("grid").locator(".tbody [role=row]").wait_for()
        assert len(queries) >= 1
        page.reload()
        page.get_by_role("grid").locator(".tbody [role=row]").wait_for()
        page.context.close()


def test_a_link_of_the_console_asks_by_itself_also_in_another_tab(tmp_path: Path, open_page: Open) -> None:
    with staged(tmp_path, Waiter, is_open=True) as stage:
        stage.do(waiting, stage)
        page = open_page(stage.url)
        link = page.get_by_role("navigation", name="Invocations by status").get_by_role("link", name="suspended")
        with page.context.expect_page() as opened:
            link.click(modifiers=["ControlOrMeta"])
        opened.value.get_by_role("grid").locator(".tbody [role=row]").wait_for()
        link.click()
        page.get_by_role("grid").locator(".tbody [role=row]").wait_for()
        page.go_back()
        page.get_by_role("heading", name="Overview").wait_for()
        page.go_forward()
        page.get_by_role("grid").locator(".tbody [role=row]").wait_for()
        page.context.close()


def test_an_order_in_the_address_is_one_of_the_columns(stage: Stage, open_page: Open) -> None:
    of = stage.do(waiting, stage)
    page = open_page()
    queries: list[str] = []
    page.on("request", lambda request: queries.append(request.post_data or ""))
    page.goto(stage.address("/invocations?sort=(select%20max(id)%20from%20sys_invocation)"))
    page.get_by_role("grid").get_by_role("link", name=of[-7:]).wait_for()
    assert [query for query in queries if "max(id)" in query] == []


def is_query_of(request: Request, asked: str) -> bool:
    """Whether the server is asked for what stands in an address."""
    words = " ".join(unquote(asked).split())
    return request.method == "POST" and words in " ".join((request.post_data or "").split())


# The connection.


def test_a_lost_connection_is_shown_and_healed(stage: Stage, open_page: Open, complaints: list[str]) -> None:
    with proxied(stage.served.port) as proxy:
        page = open_page(f"{proxy.url}/ui/#token={stage.served.token}")
        page.get_by_text("live", exact=True).wait_for()
        proxy.break_off()
        page.get_by_text("connection lost, trying again").wait_for()
        proxy.mend()
        page.get_by_text("live", exact=True).wait_for()
        page.context.close()
    complaints[:] = [said for said in complaints if "ERR_" not in said]


def test_what_happens_before_the_stream_is_open_is_told_by_it(stage: Stage, open_page: Open) -> None:
    page = open_page()
    let_go = hold_requests(page, "/changes", is_stream)
    with page.expect_request(is_stream):
        page.goto(stage.address("/invocations"))
    page.get_by_text("No invocation yet").wait_for()
    stage.do(sent, stage)
    let_go()
    page.get_by_role("grid").locator(".tbody [role=row]").wait_for()


def test_one_stream_is_open_and_it_goes_on_where_it_was(stage: Stage, open_page: Open, complaints: list[str]) -> None:
    with proxied(stage.served.port) as proxy:
        page = open_page()
        streams: list[dict[str, Any]] = []
        page.on("request", lambda request: streams.append(request.headers) if is_stream(request) else None)
        page.goto(f"{proxy.url}/ui/#token={stage.served.token}")
        page.get_by_text("live", exact=True).wait_for()
        for link in page.get_by_role("navigation", name="Pages").get_by_role("link").all():
            link.click()
        assert len(streams) == 1
        proxy.break_off()
        page.get_by_text("connection lost, trying again").wait_for()
        stage.do(waiting, stage)
        proxy.mend()
        page.get_by_text("live", exact=True).wait_for()
        assert re.fullmatch(r"\d+", streams[-1]["last-event-id"])
        page.context.close()
    complaints[:] = [said for said in complaints if "ERR_" not in said]


def test_many_tabs_hear_through_one_stream_and_the_next_one_goes_on_when_it_is_closed(
    stage: Stage, open_page: Open
) -> None:
    """A browser opens six connections to a server: with a stream in each tab the seventh would wait for ever."""
    first = open_page(stage.address("/invocations"))
    first.get_by_text("live", exact=True).wait_for()
    others = [first.context.new_page() for _ in range(7)]
    for page in others:
        page.goto(stage.address("/invocations"))
        page.get_by_text("live", exact=True).wait_for()
    stage.do(waiting, stage)
    for page in (first, *others):
        page.get_by_role("grid").get_by_text("Waiter/wait").first.wait_for()
    first.close()
    stage.do(sent, stage, "again")
    for page in others:
        page.get_by_role("grid").locator(".tbody [role=row]").nth(1).wait_for()
        page.get_by_text("live", exact=True).wait_for()


HIDE = """(isHidden) => {
  Object.defineProperty(document, "hidden", { configurable: true, get: () => isHidden });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_hidden_tab_hears_nothing_and_catches_up_when_it_is_shown(stage: Stage, open_page: Open) -> None:
    page = open_page()
    streams: list[Request] = []
    page.on("request", lambda request: streams.append(request) if is_stream(request) else None)
    page.goto(stage.address("/invocations"))
    page.get_by_text("live", exact=True).wait_for()
    with page.expect_event("requestfailed", is_stream):
        page.evaluate(HIDE, True)
    stage.do(waiting, stage)
    assert len(streams) == 1
    page.evaluate(HIDE, False)
    page.get_by_role("grid").get_by_text("Waiter/wait").first.wait_for()
    assert [re.fullmatch(r"\d+", request.headers["last-event-id"]) is not None for request in streams[1:]] == [True]


def test_a_tab_opened_from_a_link_has_the_token_of_the_one_it_came_from(stage: Stage, open_page: Open) -> None:
    stage.do(waiting, stage)
    page = open_page(stage.address("/invocations"))
    link = page.get_by_role("grid").get_by_role("link").first
    with page.context.expect_page() as opened:
        link.click(modifiers=["Control"])
    opened.value.get_by_text("main · admin").wait_for()
    opened.value.get_by_role("heading", name="Waiter/wait").wait_for()


def test_a_token_that_was_cut_off_in_the_address_leads_to_the_sign_in(
    stage: Stage, open_page: Open, complaints: list[str]
) -> None:
    page = open_page(f"{stage.url}#token=%")
    page.get_by_label("Token").wait_for()
    complaints[:] = [said for said in complaints if "401" not in said]


# Looks and keys.


def test_the_frame_has_no_serious_finding(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address())
    page.get_by_text("live", exact=True).wait_for()
    assert axe_findings(page) == []
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    assert axe_findings(page) == []


def test_a_dialog_keeps_the_focus_and_gives_it_back(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address())
    page.get_by_text("live", exact=True).wait_for()
    opener = page.get_by_role("button", name="Keys")
    opener.focus()
    page.keyboard.press("Enter")
    page.get_by_role("dialog", name="Keys").wait_for()
    for _ in range(6):
        page.keyboard.press("Tab")
        assert page.evaluate(
            "() => document.activeElement === document.body || !!document.activeElement.closest('dialog')"
        )
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    page.wait_for_function("() => document.activeElement.getAttribute('aria-label') === 'Keys'")


def test_the_look_is_the_systems_until_somebody_chooses(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address(), color_scheme="dark")
    page.get_by_text("live", exact=True).wait_for()
    ground = "() => getComputedStyle(document.body.parentElement).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="auto").click()
    light = page.evaluate(ground)
    assert light != dark
    page.reload()
    page.get_by_role("button", name="light").wait_for()
    assert page.evaluate(ground) == light


def test_keys_go_to_pages(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/overview"))
    page.get_by_text("live", exact=True).wait_for()
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/ui/#/invocations")


def test_an_unknown_page_says_so(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/nowhere"))
    page.get_by_role("alert").get_by_text("There is no page nowhere.").wait_for()

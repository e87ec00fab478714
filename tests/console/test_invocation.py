"""One invocation: what it has been through, why it waits, and what comes while somebody looks."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
import trio.lowlevel

import actors
from actors import RetryPolicy, Service, TerminalError, Workflow, handler, step
from actors.http.routes import TokenScope
from journal.events import Target
from tests.console.stage import Stage, axe_findings, hold_requests, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Locator, Page, Route

    Open = Callable[..., Page]


class Gone(Exception):
    pass


@step(retry=actors.RetryPolicy(initial_delay=600.0))
async def knock(door: str) -> None:
    raise Gone(f"nobody opens {door}")


@step(retry=actors.RetryPolicy(initial_delay=0.01, max_attempts=5))
async def lift(stone: int) -> int:
    _LIFTED.append(stone)
    if len(_LIFTED) < 3:
        raise Gone(f"stone {stone} is heavy")
    return stone * 2


_LIFTED: list[int] = []


@step
async def speak(word: str) -> None:
    actors.emit(word)
    await trio.lowlevel.checkpoint()


@step(retry=RetryPolicy(initial_delay=0.01))
async def stutter() -> None:
    _STUTTERED.append(len(_STUTTERED) + 1)
    for word in "abc"[: 1 + len(_STUTTERED)]:
        actors.emit(f"{word}{len(_STUTTERED)} ")
    if len(_STUTTERED) == 1:
        raise Gone("the model hung up")


_STUTTERED: list[int] = []


class Speaker(Service):
    @handler
    async def say(self) -> None:
        await stutter()


@step
async def declaim(text: str) -> int:
    return len(text)


class Orator(Service):
    @handler
    async def orate(self, size: int) -> int:
        return await declaim("x" * size)


@step
async def stumble(stair: int) -> None:
    if stair > 1:
        raise TerminalError(f"stair {stair} is wet")


class Stairs(Service):
    @handler
    async def climb(self) -> None:
        for stair in (1, 2):
            await stumble(stair)


class Door(Service):
    @handler
    async def open(self, door: str) -> None:
        await knock(door)


class House(Workflow):
    @handler
    async def run(self, words: list[str]) -> str:
        for word in words:
            await speak(word)
            await actors.signal(f"after {word}", bool)
        await actors.service(Door).open("the cellar")
        return "inside"


class Stones(Service):
    @handler
    async def carry(self, stone: int) -> int:
        with actors.move_on_after(60):
            return await lift(stone)
        return 0


class Level(enum.Enum):
    LOW = "low"
    HIGH = "high"


@attrs.frozen
class Decision:
    approved: bool
    by: str
    level: Level
    score: float | None = None
    notes: list[str] = attrs.field(factory=list)


class Desk(Service):
    @handler
    async def decide(self) -> str:
        told = await actors.signal("verdict", Decision)
        return f"{told.level.value} {told.approved} {told.by} {told.score}"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    _LIFTED.clear()
    _STUTTERED.clear()
    with staged(tmp_path, House, Door, Stones, Desk, Speaker, Stairs) as running:
        yield running


async def build(stage: Stage, words: bytes = b'["one", "two"]') -> str:
    return str((await stage.client.send_by_name(Target("House", "h", "run"), words)).invocation_id)


def test_the_output_the_waterfall_and_the_reason_follow_what_happens(stage: Stage, open_page: Open) -> None:
    of = stage.do(build, stage)
    page = open_page(stage.address(f"/invocations/{of}"))
    note = page.get_by_role("note", name="Why it does not continue")
    note.get_by_text("signal 'after one' (step 2) has not arrived").wait_for()
    output = page.get_by_role("region", name="So far")
    output.get_by_text("one", exact=True).wait_for()
    stage.do(lambda: stage.client.invocation(of).signal("after one", True))
    note.get_by_text("signal 'after two' (step 4) has not arrived").wait_for()
    output.get_by_text("onetwo", exact=True).wait_for()
    stage.do(lambda: stage.client.invocation(of).signal("after two", True))
    note.get_by_text("nobody opens the cellar").wait_for()
    assert note.get_by_text("Door/open: step 'knock'").first.is_visible(), "the cause lies below, and is told here"
    page.get_by_role("button", name="what Door/open did").click()
    nested = page.get_by_role("list", name="what inv_", exact=False)
    nested.get_by_role("button", name="step knock").wait_for()
    assert axe_findings(page) == []
    page.get_by_role("button", name="call Door/open").click()
    detail = page.get_by_role("region", name="call Door/open")
    detail.get_by_role("link").click()
    page.get_by_role("heading", name="Door/open").wait_for()
    page.get_by_role("region", name="Description").get_by_role("link", name=of[-7:]).wait_for()


def test_a_step_tells_its_tries_input_output_error_and_line(stage: Stage, open_page: Open) -> None:
    sent = stage.do(stage.client.send_by_name, Target("Stones", None, "carry"), b"21")
    stage.do(stage.client.invocation(sent.invocation_id).result)
    page = open_page(stage.address(f"/invocations/{sent.invocation_id}"))
    page.get_by_role("button", name="step lift").click()
    detail = page.get_by_role("region", name="step lift")
    detail.get_by_text("stone 21 is heavy").first.wait_for()
    for text in ("test_invocation.py:", "21", "42"):
        assert detail.get_by_text(text, exact=False).first.is_visible(), text
    assert detail.locator("table tr").count() == 3
    assert page.url.endswith("step=2"), "what is looked at is in the address"
    page.reload()
    page.get_by_role("region", name="step lift").wait_for()


def test_a_tag_leads_to_all_that_have_it(stage: Stage, open_page: Open) -> None:
    """One value has what a query and a page could take for their own."""
    for user in ("o'hara & <b>", "ada"):
        sent = stage.do(stage.client.service(Stones).carry.options(tags={"user": user}).send, 1)
        stage.do(sent.result)
    sent = stage.do(stage.client.service(Stones).carry.options(tags={"user": "o'hara & <b>"}).send, 2)
    page = open_page(stage.address(f"/invocations/{sent.id}"))
    page.get_by_role("region", name="Description").get_by_role("link", name="user=o'hara & <b>").click()
    page.get_by_role("heading", name="Invocations").wait_for()
    grid = page.get_by_role("grid")
    grid.get_by_role("row").nth(2).wait_for()
    page.get_by_text("Columns", exact=True).click()
    page.get_by_label("Tags column").check()
    shown = grid.get_by_text("user=")
    shown.nth(1).wait_for()
    assert shown.all_inner_texts() == ["user=o'hara & <b>"] * 2


def test_the_output_is_that_of_the_try_that_did_not_fail(stage: Stage, open_page: Open) -> None:
    sent = stage.do(stage.client.send_by_name, Target("Speaker", None, "say"))
    page = open_page(stage.address(f"/invocations/{sent.invocation_id}"))
    page.get_by_text("Emitted, 3 pieces").wait_for()
    page.get_by_text("a2 b2 c2").wait_for()
    page.get_by_text("2 more pieces of failed tries").wait_for()


def test_a_step_that_failed_shows_its_error_and_no_output(stage: Stage, open_page: Open) -> None:
    sent = stage.do(stage.client.send_by_name, Target("Stairs", None, "climb"))
    page = open_page(stage.address(f"/invocations/{sent.invocation_id}"))
    detail = page.get_by_role("region", name="step stumble")
    output = detail.get_by_role("term").filter(has_text="Output")
    steps = page.get_by_role("button", name="step stumble")
    steps.nth(1).wait_for()
    steps.first.click()
    output.wait_for()  # null is what that step has returned
    steps.nth(1).click()
    detail.get_by_text("stair 2 is wet").first.wait_for()
    assert output.count() == 0


def carried_and_restarting(stage: Stage, open_page: Open) -> tuple[Page, Locator, str]:
    """The page of an invocation that has ended, with the dialog of its restart open; and its id."""
    _LIFTED.extend([0, 0, 0])
    sent = stage.do(stage.client.send_by_name, Target("Stones", None, "carry"), b"21")
    stage.do(stage.client.invocation(sent.invocation_id).result)
    page = open_page(stage.address(f"/invocations/{sent.invocation_id}"))
    page.get_by_role("button", name="Restart…").click()
    return page, page.get_by_role("dialog"), sent.invocation_id


def test_it_is_done_again_with_another_argument(stage: Stage, open_page: Open) -> None:
    page, dialog, _ = carried_and_restarting(stage, open_page)
    assert dialog.get_by_label("From").input_value() == ""
    dialog.get_by_label("Argument").fill("not json")
    dialog.get_by_text("Not valid JSON").wait_for()
    dialog.get_by_label("Argument").fill("50")
    dialog.get_by_role("button", name="Restart as a new invocation").click()
    page.get_by_role("region", name="How it ended").get_by_text("100", exact=True).wait_for()
    page.get_by_role("region", name="Description").get_by_text("50", exact=True).wait_for()


def test_it_is_restarted_at_its_end_with_every_step_kept(stage: Stage, open_page: Open) -> None:
    page, dialog, of = carried_and_restarting(stage, open_page)
    dialog.get_by_label("From").select_option("end")
    dialog.get_by_role("list", name="kept, not run again").get_by_text("lift").wait_for()
    assert dialog.get_by_label("Argument").count() == 0
    dialog.get_by_role("button", name="Restart as a new invocation").click()
    dialog.wait_for(state="detached")
    page.get_by_role("region", name="How it ended").get_by_text("42", exact=True).wait_for()
    assert of not in page.url
    assert len(_LIFTED) == 4


def test_an_argument_too_large_to_be_kept_is_shown_by_its_size(tmp_path: Path, open_page: Open) -> None:
    with staged(tmp_path, Orator, runtime_limits=actors.Limits(payload_bytes=1000)) as stage:
        sent = stage.do(stage.client.send_by_name, Target("Orator", None, "orate"), b"997")
        stage.do(stage.client.invocation(sent.invocation_id).result)
        page = open_page(stage.address(f"/invocations/{sent.invocation_id}"))
        page.get_by_role("button", name="step declaim").click()
        page.get_by_role("region", name="step declaim").get_by_text("1,001 bytes").wait_for()
        page.context.close()


def test_a_signal_has_a_form_made_from_its_type(stage: Stage, open_page: Open) -> None:
    of = str(stage.do(stage.client.send_by_name, Target("Desk", None, "decide"), b"").invocation_id)
    page = open_page(stage.address(f"/invocations/{of}"))
    page.get_by_role("button", name="Send verdict…").click()
    dialog = page.get_by_role("dialog")
    page.wait_for_function("() => document.activeElement.tagName === 'SELECT'")
    assert dialog.get_by_label("approved").evaluate("box => box === document.activeElement && box.value === ''")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Send verdict…").click()
    dialog.get_by_label("by", exact=True).press("Enter")
    dialog.get_by_role("button", name="Send", exact=True).click()
    assert dialog.get_by_label("approved").evaluate("box => box.validity.valueMissing"), "it is not sent unchosen"
    dialog.get_by_label("approved").select_option("false")
    dialog.get_by_label("by", exact=True).fill("<i>ann</i>")
    dialog.get_by_label("level").select_option("high")
    dialog.get_by_label("score (optional) is null").uncheck()
    dialog.get_by_role("spinbutton").fill("2.5")
    assert axe_findings(page) == []
    dialog.get_by_role("button", name="Send", exact=True).click()
    page.get_by_role("region", name="How it ended").get_by_text("high False <i>ann</i> 2.5").wait_for()


IS_FOCUSED = "field => field === document.activeElement"


def test_the_form_of_a_signal_waits_for_the_history(stage: Stage, open_page: Open) -> None:
    of = str(stage.do(stage.client.send_by_name, Target("Desk", None, "decide"), b"").invocation_id)
    page = open_page()
    let_go = hold_requests(page, f"{of}/events")
    page.goto(stage.address(f"/invocations/{of}"))
    page.get_by_role("button", name="Send verdict…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Loading").wait_for()
    assert dialog.get_by_role("button", name="Send", exact=True).is_disabled()
    let_go()
    dialog.get_by_label("approved").wait_for()
    assert dialog.get_by_label("approved").evaluate(IS_FOCUSED)


def test_the_form_of_a_signal_waits_for_the_newest_event(stage: Stage, open_page: Open) -> None:
    of = stage.do(build, stage)
    page = open_page(stage.address(f"/invocations/{of}"))
    page.get_by_role("list", name="Waterfall").get_by_text("after one").wait_for()
    let_go = hold_requests(page, f"{of}/events")
    stage.do(lambda: stage.client.invocation(of).signal("after one", True))
    page.get_by_role("button", name="Send after two…").click()
    dialog = page.get_by_role("dialog")
    dialog.wait_for()
    let_go()
    dialog.get_by_label("Value").select_option("true")
    dialog.get_by_role("button", name="Send", exact=True).click()
    page.get_by_text("nobody opens the cellar").first.wait_for()


def test_what_comes_later_takes_no_focus_from_a_field_in_use(stage: Stage, open_page: Open) -> None:
    of = str(stage.do(stage.client.send_by_name, Target("Desk", None, "decide"), b"").invocation_id)
    page = open_page()
    let_go = hold_requests(page, f"{of}/events")
    page.goto(stage.address(f"/invocations/{of}"))
    page.get_by_role("button", name="Signal…", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("button", name="another…").click()
    dialog.get_by_label("Name").fill("extra")
    let_go()
    page.get_by_role("list", name="Waterfall").get_by_text("verdict").wait_for()
    assert dialog.get_by_label("Name").evaluate(IS_FOCUSED)
    assert dialog.get_by_label("Name").input_value() == "extra"


def test_a_restart_shows_the_argument_when_the_history_is_there(stage: Stage, open_page: Open) -> None:
    _LIFTED.extend([0, 0, 0])
    sent = stage.do(stage.client.send_by_name, Target("Stones", None, "carry"), b"21")
    stage.do(stage.client.invocation(sent.invocation_id).result)
    page = open_page()
    let_go = hold_requests(page, "/events")
    page.goto(stage.address(f"/invocations/{sent.invocation_id}"))
    page.get_by_role("button", name="Restart…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("heavier")
    let_go()
    dialog.get_by_label("Argument").wait_for()
    assert dialog.get_by_label("Argument").input_value() == "21"
    assert dialog.get_by_label("Reason").evaluate(IS_FOCUSED)


def test_a_signal_by_another_name_keeps_what_was_typed_for_it(stage: Stage, open_page: Open) -> None:
    of = str(stage.do(stage.client.send_by_name, Target("Desk", None, "decide"), b"").invocation_id)
    page = open_page(stage.address(f"/invocations/{of}"))
    page.get_by_role("button", name="Signal…", exact=True).click()
    dialog = page.get_by_role("dialog")
    assert dialog.get_by_label("Name").count() == 0, "the name of what it waits for is not typed over"
    dialog.get_by_role("button", name="another…").click()
    dialog.get_by_label("Value").fill('{"kept": 1}')
    dialog.get_by_label("Name").fill("extra")
    assert dialog.get_by_label("Value").input_value() == '{"kept": 1}'
    dialog.get_by_role("button", name="Send", exact=True).click()
    page.get_by_role("dialog").wait_for(state="detached")
    page.get_by_role("tab", name="Journal").click()
    page.get_by_text("signal 'extra': {\"kept\":1}", exact=False).first.wait_for()


def lose_the_answer(page: Page, path: str) -> None:
    """The next request to what ends so is done by the server, and its answer is lost."""

    def lose(route: Route) -> None:
        route.fetch()
        route.abort()

    page.route(lambda url: url.endswith(path), lose, times=1)


def test_what_had_no_answer_is_asked_again_and_done_once(stage: Stage, open_page: Open, complaints: list[str]) -> None:
    of = stage.do(build, stage)
    page = open_page(stage.address(f"/invocations/{of}"))
    page.get_by_role("button", name="Send after one…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Value").select_option("true")
    lose_the_answer(page, "/signals/after%20one")
    dialog.get_by_role("button", name="Send", exact=True).click()
    dialog.get_by_text("The server does not answer").wait_for()
    dialog.get_by_role("button", name="Send", exact=True).click()
    dialog.wait_for(state="detached")
    page.get_by_role("button", name="Restart…").click()
    dialog.get_by_role("button", name="Restart as a new invocation", disabled=False).wait_for()
    lose_the_answer(page, "/restart-as-new")
    dialog.get_by_role("button", name="Restart as a new invocation").click()
    dialog.get_by_text("The server does not answer").wait_for()
    dialog.get_by_role("button", name="Restart as a new invocation").click()
    dialog.wait_for(state="detached")
    info = stage.do(stage.client.invocation(of).info)
    (successor,) = info.successors
    assert page.url.endswith(successor)
    told = [entry.name for entry in stage.do(history, stage, of)]
    assert told.count("SignalReceived") == 1
    complaints[:] = [said for said in complaints if "ERR_FAILED" not in said]


def test_what_was_opened_while_the_server_was_away_is_read_when_it_is_back(
    stage: Stage, open_page: Open, complaints: list[str]
) -> None:
    of = stage.do(build, stage)
    page = open_page(stage.address(f"/invocations/{of}"))
    page.route(lambda url: "/events" in url, lambda route: route.abort())
    page.reload()
    page.get_by_role("alert").get_by_text("The server does not answer").wait_for()
    assert page.get_by_text("Loading…").count() == 0
    page.unroute_all()
    stage.do(build_other, stage)  # something is heard of the server, about another one
    page.get_by_role("button", name="step speak").wait_for()
    page.get_by_role("alert").wait_for(state="detached")
    complaints[:] = [said for said in complaints if "ERR_FAILED" not in said]


async def build_other(stage: Stage) -> None:
    await stage.client.send_by_name(Target("Desk", None, "decide"), b"")


async def history(stage: Stage, of: str) -> list[actors.types.JournalEntry]:
    return [entry async for entry in stage.client.invocation(of).events()]


def test_the_journal_the_audit_and_the_copies_tell_the_same(stage: Stage, open_page: Open) -> None:
    of = stage.do(build, stage)
    page = open_page(stage.address(f"/invocations/{of}"))
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_role("dialog").get_by_label("Reason").fill("it's <b>late</b>")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    page.get_by_text("it's <b>late</b>").first.wait_for()
    page.get_by_role("tab", name="Audit").click()
    row = page.get_by_role("region", name="Audit").get_by_role("row").nth(1)
    row.get_by_text("token:main").wait_for()
    assert "it's <b>late</b>" in row.inner_text()
    assert axe_findings(page) == []
    page.get_by_role("tab", name="Journal").click()
    page.get_by_role("textbox", name="Filter the journal").fill("paused")
    page.get_by_role("button", name="InvocationPaused").click()
    page.get_by_role("group", name="event").get_by_text("requested").wait_for()
    assert axe_findings(page) == []
    page.get_by_role("button", name="Copy as…").click()
    text = page.get_by_role("dialog").inner_text()
    assert """playhead send House/h/run '["one","two"]'""" in text
    assert f"playhead invocations describe {of}" in text
    assert f"curl -X POST {stage.served.url}/House/h/run/send" in text
    assert 'client.send("House/h/run", json.loads(' in text


def test_keys_ask_verbs_and_a_reading_token_has_none(stage: Stage, open_page: Open) -> None:
    of = stage.do(build, stage)
    page = open_page(stage.address(f"/invocations/{of}"))
    page.get_by_role("heading", name="House/h/run").wait_for()
    page.keyboard.press("c")
    page.get_by_role("dialog", name="Cancel House/h/run").wait_for()
    page.wait_for_function("() => document.activeElement.textContent === 'Do nothing'")
    page.keyboard.press("Enter")
    page.get_by_role("dialog").wait_for(state="detached")
    page.keyboard.press("k")  # "up" elsewhere
    page.keyboard.press("Enter")
    assert page.get_by_role("dialog").count() == 0
    page.get_by_role("button", name="Kill").click()
    dialog = page.get_by_role("dialog", name="Kill House/h/run")
    dialog.get_by_label("Reason").fill("stuck")
    page.keyboard.press("Enter")
    assert stage.do(stage.client.invocation(of).info).outcome is None
    assert dialog.get_by_role("button", name="Kill").is_disabled()
    dialog.get_by_label("Type run to confirm").fill("run")
    dialog.get_by_role("button", name="Kill").click()
    page.get_by_role("region", name="How it ended").get_by_text("stuck").wait_for()
    reader = open_page(stage.address(f"/invocations/{of}", stage.served.tokens.create("eyes", TokenScope.READ)))
    reader.get_by_role("heading", name="House/h/run").wait_for()
    reader.get_by_role("button", name="step speak").click()
    reader.get_by_role("region", name="step speak").wait_for()
    for verb in ("Signal…", "Send after one…", "Pause", "Cancel", "Restart…", "Restart from here…", "Kill", "Purge"):
        assert reader.get_by_role("button", name=verb, exact=True).count() == 0, verb
    reader.keyboard.press("c")
    assert reader.get_by_role("dialog").count() == 0


def test_one_that_is_not_there_says_what_may_have_become_of_it(
    stage: Stage, open_page: Open, complaints: list[str]
) -> None:
    page = open_page(stage.address("/invocations/inv_1" + "0" * 33))
    page.get_by_role("alert").get_by_text("It may have been purged").wait_for()
    page.context.close()  # else it looks again
    complaints[:] = [said for said in complaints if "404" not in said]


def test_a_refused_verb_is_told_with_what_would_work(stage: Stage, open_page: Open, complaints: list[str]) -> None:
    of = stage.do(build, stage)
    page = open_page(stage.address(f"/invocations/{of}"))
    page.get_by_role("button", name="Cancel", exact=True).click()
    stage.do(lambda: stage.client.invocation(of).kill(reason="faster"))
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("alert").get_by_text("has ended", exact=False).or_(
        page.get_by_role("dialog").get_by_role("alert").get_by_text("It has changed in the meantime", exact=False)
    ).first.wait_for()
    complaints[:] = [said for said in complaints if "409" not in said]

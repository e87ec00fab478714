"""Whatever users write stays text: in keys, names, payloads, errors, reasons and outputs, on every page."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import actors
from actors import Actor, Service, handler, step
from journal.events import Target
from tests.console.stage import Stage, staged
from tests.console.test_invocations import come_to

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from playwright.sync_api import Page

    Open = Callable[..., Page]

MARKUP = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
HIDDEN = "a\u202egnp.exe\u2066\u0000\u001b[31m\u200b"
HOSTILE = MARKUP + HIDDEN + "';--&lt;${1}\n\tend"


class Trouble(Exception):
    pass


@step(retry=actors.RetryPolicy(initial_delay=600.0))
async def fail(text: str) -> None:
    actors.emit(text)
    raise Trouble(text)


@step
async def keep(text: str) -> dict[str, str]:
    actors.emit(text)
    return {text: text}


class Poison(Actor):
    kept: str = ""
    by_name: dict[str, str] = actors.field(factory=dict)

    @handler
    async def swallow(self, text: str) -> dict[str, str]:
        """<b>Swallows</b> it."""
        self.kept = text
        self.by_name[text] = text
        return await keep(text)

    @handler
    async def choke(self, text: str) -> None:
        await fail(text)

    @handler
    async def refuse(self, text: str) -> None:
        raise actors.TerminalError(text)


class Waits(Service):
    @handler
    async def wait(self, text: str) -> str:
        return await actors.signal(text[:200], str)


async def poison(stage: Stage) -> list[str]:
    argument = json.dumps(HOSTILE).encode()
    key = HOSTILE.replace("\u0000", "")
    targets = [
        Target("Poison", key, "swallow"),
        Target("Poison", key + "2", "choke"),
        Target("Poison", key + "3", "refuse"),
        Target("Waits", None, "wait"),
    ]
    client = stage.client
    ids = [str((await client.send_by_name(target, argument)).invocation_id) for target in targets]
    await come_to(stage, "status = 'backing_off' and service = 'Poison'", 1)
    await client.invocation(ids[3]).pause(reason=HOSTILE)
    await client.gates.close(f"key:Poison/{key}", reason=HOSTILE)
    job = await client.jobs.where("service = 'Waits' and '" + MARKUP.replace("'", "''") + "' <> ''").pause(
        reason=HOSTILE
    )
    await job.result()
    return [*ids, job.id]


def places(ids: list[str]) -> list[str]:
    return [
        "/overview",
        "/invocations",
        "/jobs",
        f"/jobs/{ids[4]}",
        *(f"/invocations/{of}" for of in ids[:4]),
        *(f"/invocations/{ids[0]}?tab={tab}" for tab in ("journal", "audit", "lineage")),
        f"/invocations/{ids[1]}?step=1",
        f"/invocations/{ids[3]}?tab=audit",
        f"/invocations/{ids[1]}?compare={ids[0]}",
    ]


LOOK = """() => {
    const marks = [...document.querySelectorAll('main img, main script, main b img, dialog img')];
    const text = document.body.innerText;
    return {
        owned: document.title.includes('owned'),
        marks: marks.length,
        handlers: document.querySelectorAll('[onerror]').length,
        invisible: [...text].filter(c => /[\\u0000-\\u0008\\u000b-\\u001f\\u200b\\u202e\\u2066]/.test(c)).length,
    };
}"""
CLEAN = {"owned": False, "marks": 0, "handlers": 0, "invisible": 0}


@pytest.mark.parametrize("theme", ["light"])
def test_hostile_text_is_shown_as_text_wherever_it_can_stand(theme: str, tmp_path: Path, open_page: Open) -> None:
    with staged(tmp_path, Poison, Waits) as stage:
        ids = stage.do(poison, stage)
        page = open_page(color_scheme=theme)
        seen: list[str] = []
        for place in places(ids):
            page.goto("about:blank")
            page.goto(stage.address(place))
            page.locator("main h1").first.wait_for()
            page.wait_for_function("() => !document.querySelector('main .loading')")
            page.locator("main").get_by_text("onerror", exact=False).first.wait_for()
            assert page.evaluate(LOOK) == CLEAN, place
            seen.append(place)
        assert len(seen) == len(places(ids))
        for place, button in (
            (f"/invocations/{ids[3]}", "Signal…"),
            (f"/invocations/{ids[1]}", "Restart…"),
            (f"/invocations/{ids[0]}", "Copy as…"),
            ("/overview", "Open…"),
        ):
            page.goto("about:blank")
            page.goto(stage.address(place))
            page.get_by_role("button", name=button, exact=True).first.click()
            page.get_by_role("dialog").get_by_text("onerror", exact=False).first.wait_for()
            assert page.evaluate(LOOK) == CLEAN, button
            page.keyboard.press("Escape")
        page.context.close()


ALIKE = [
    "tab new",
    "tab\tnew",
    "tab\nnew",
    "tab  new",
    "tab\u00a0new",
    " tab new",
    "tab new ",
    "tab\u00adnew",
    "tabnew",
]


@pytest.mark.parametrize("place", ["/invocations", "/objects"])
def test_keys_that_differ_in_what_cannot_be_seen_look_different(place: str, tmp_path: Path, open_page: Open) -> None:
    async def swallow() -> None:
        for key in ALIKE:
            await stage.client.call_by_name(Target("Poison", key, "swallow"), b'"x"')

    with staged(tmp_path, Poison) as stage:
        stage.do(swallow)
        page = open_page(stage.address(place))
        cells = page.locator(".tbody [data-column=target]")
        cells.nth(len(ALIKE) - 1).wait_for()
        assert len({" ".join(text.split()) for text in cells.all_inner_texts()}) == len(ALIKE)
        page.context.close()


def test_what_is_large_is_cut_short_until_somebody_asks_for_all_of_it(tmp_path: Path, open_page: Open) -> None:
    with staged(tmp_path, Poison, Waits) as stage:
        large = "x" * 300_000 + "the end"
        sent = stage.do(stage.client.send_by_name, Target("Poison", "k", "swallow"), json.dumps(large).encode())
        stage.do(stage.client.invocation(sent.invocation_id).result)
        page = open_page(stage.address(f"/invocations/{sent.invocation_id}"))
        about = page.get_by_role("region", name="Description")
        about.get_by_role("button", name="show all (300,007 characters)").wait_for()
        assert "the end" not in about.inner_text()
        about.get_by_role("button", name="show all (300,007 characters)").click()
        assert "the end" in about.inner_text()
        page.context.close()

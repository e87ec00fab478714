"""Pictures of every page, as the README shows them: ``python -m tests.console.gallery``, into ``docs/screenshots``."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import attrs
from playwright.sync_api import sync_playwright

from journal.events import Target
from tests.console.conftest import ARGUMENTS
from tests.console.shop import CLASSES, fill
from tests.console.stage import Stage, staged
from tests.console.test_invocations import come_to
from tests.console.tools import ROOT, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

FOLDER = ROOT / "docs" / "screenshots"
WIDTH, HEIGHT = 1280, 800


@attrs.frozen(kw_only=True)
class Shot:
    """A picture: where, in which look, and what is done before it is taken. In ``place``, names of ``fill`` stand for ids."""

    name: str
    place: str
    look: str = "light"
    ready: str = "main h1"
    act: Callable[[Page], None] = lambda _: None
    width: int = WIDTH


def unfold(page: Page) -> None:
    page.get_by_role("button", name="what Payment/take did").click()
    page.get_by_role("button", name="step quote_shipping").click()
    page.get_by_role("button", name="step charge").wait_for()


def choose_all_and_cancel(page: Page) -> None:
    page.keyboard.press("a")
    page.get_by_role("button", name="Cancel", exact=True).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Reason").fill("the provider will be down until the morning")
    dialog.get_by_role("table").wait_for()


def restart_from_shipping(page: Page) -> None:
    page.get_by_role("button", name="step quote_shipping").click()
    page.get_by_role("button", name="Restart from here…").click()
    page.get_by_role("list", name="kept, not run again").wait_for()


QUESTION = """select status, outcome, count(*) as how_many, max(duration) as longest
from sys_invocation group by 1, 2 order by 3 desc"""

SHOTS = (
    Shot(name="invocations", place="/invocations", ready="[role=grid] .tr.head"),
    Shot(
        name="cancel-in-bulk",
        place="/invocations?where=status%20%3D%20'backing_off'",
        ready="[role=grid] .tr.head",
        act=choose_all_and_cancel,
    ),
    Shot(name="invocation", place="/invocations/{2026-1023}", ready=".waterfall", act=unfold),
    Shot(name="restart", place="/invocations/{2026-1017}", ready=".waterfall", act=restart_from_shipping),
    Shot(name="compare", place="/invocations/{again}?compare={2026-1002}", ready=".waterfall .wf-item"),
    Shot(name="jobs", place="/jobs", ready="[role=grid] .tr.head"),
    Shot(name="object", place="/objects/Basket/visitor%25203", ready="main h1"),
    Shot(name="deployments", place="/deployments", ready="main h1"),
    Shot(name="sql", place="/sql?q=" + quote(quote(QUESTION)), ready="main h1"),
    Shot(name="audit", place="/audit", ready="main h1"),
    Shot(name="try", place="/try", ready="main h1"),
    Shot(name="overview", place="/overview", ready="figure canvas"),
    Shot(name="overview-dark", place="/overview", look="dark", ready="figure canvas"),
    Shot(name="phone", place="/invocations/{2026-1017}", ready=".waterfall", width=390),
)
"""What the README shows, and a phone."""


async def set_up(stage: Stage) -> dict[str, str]:
    """A bad night in a shop."""
    ids = await fill(stage.client)
    await come_to(stage, "status = 'paused'", 2)
    await come_to(stage, "status = 'backing_off'", 2)
    done = stage.client.invocation(ids["2026-1002"])
    await done.outcome()
    again = await done.restart("quote_shipping", reason="the carrier has answered with last year's prices")
    ids["again"] = again.successor.invocation_id
    await stage.client.gates.close("service:Assistant", reason="the model is being moved to another region")
    job = await stage.client.jobs.where("status = 'paused' and handler = 'run'").pause(
        reason="nothing goes out before nine"
    )
    await job.result()
    return ids


def take(browser: Browser, stage: Stage, ids: dict[str, str], shot: Shot) -> bytes:
    """One picture."""
    context = browser.new_context(viewport={"width": shot.width, "height": HEIGHT}, color_scheme=shot.look)  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(stage.address(shot.place.format(**ids)))
    page.locator(shot.ready).first.wait_for()
    keep_busy(stage, page)
    shot.act(page)
    page.wait_for_function("() => !document.querySelector('.loading')")
    page.evaluate("() => document.fonts.ready")
    picture = page.screenshot()
    context.close()
    return picture


def keep_busy(stage: Stage, page: Page) -> None:
    """Baskets fill for some seconds, so that the curves of the overview have something to show."""
    if page.locator("figure canvas").count() == 0:
        return
    for second in range(7):
        for number in range(14 + 5 * (second % 3)):
            stage.do(
                stage.client.call_by_name, Target("Basket", f"b{number}", "put"), b'{"article": "lamp", "count": 1}'
            )
        page.wait_for_timeout(700)


def main(folder: Path) -> None:
    """Take all of them."""
    folder.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as data,
        staged(Path(data), *CLASSES, path=Path(data, "kept"), durability="os") as stage,
    ):
        ids = stage.do(set_up, stage)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
            for shot in SHOTS:
                (folder / f"{shot.name}.png").write_bytes(take(browser, stage, ids, shot))
                print(folder / f"{shot.name}.png")
            browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER)

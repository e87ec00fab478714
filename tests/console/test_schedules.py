"""Schedules in the console: their next times, their runs, and the verbs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors import Service, handler
from actors.http.routes import TokenScope
from tests.console.stage import Stage, axe_findings, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    Open = Callable[..., Page]

HOSTILE = "<img src=x onerror=\"document.title='owned'\">"


class Report(Service):
    @handler
    async def run(self, what: str) -> str:
        return what


async def create(stage: Stage) -> None:
    schedules = stage.client.schedules
    await schedules.create("nightly", "Report/run", "sales", cron="0 2 * * *", zone="Europe/Berlin", note=HOSTILE)
    await schedules.create("hourly", "Report/run", "stock", every=3600.0)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, Report) as running:
        yield running


def test_a_schedule_is_triggered_paused_resumed_and_deleted_from_its_page(stage: Stage, open_page: Open) -> None:
    page = open_page(stage.address("/schedules"))
    page.get_by_text("No schedules yet").wait_for()
    stage.do(create, stage)
    page.get_by_role("grid", name="Schedules").get_by_role("link", name="nightly").click()
    page.get_by_role("region", name="Next times").locator("li").nth(9).wait_for()
    assert HOSTILE in page.get_by_role("region", name="Description").inner_text()
    assert axe_findings(page) == []

    def ask(verb: str, reason: str) -> None:
        page.get_by_role("button", name=verb, exact=True).click()
        dialog = page.get_by_role("dialog")
        dialog.get_by_label("Reason").fill(reason)
        dialog.get_by_role("button", name=verb, exact=True).click()

    ask("Trigger", "to see it run")
    page.get_by_role("region", name="Runs").get_by_text("succeeded").wait_for()
    ask("Pause", "month end")
    page.get_by_text("month end").wait_for()
    page.get_by_text("None until it is resumed.").wait_for()
    ask("Resume", "")
    page.get_by_role("region", name="Next times").locator("li").first.wait_for()
    ask("Delete", "not needed")
    page.get_by_role("grid", name="Schedules").get_by_role("link", name="hourly").wait_for()
    assert page.get_by_role("grid", name="Schedules").get_by_role("link", name="nightly").count() == 0
    verbs = [entry.verb for entry in stage.do(stage.client.audit).entries]
    assert verbs[:4] == ["delete-schedule", "resume-schedule", "pause-schedule", "trigger-schedule"]

    reader = open_page(stage.address("/schedules/hourly", stage.served.tokens.create("reader", TokenScope.READ)))
    reader.get_by_role("region", name="Next times").locator("li").first.wait_for()
    assert reader.get_by_role("main").get_by_role("button").count() == 0

"""Limits in the console: set, seen with what waits for them, changed and deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio

from actors import Service, handler, step
from actors.http.routes import TokenScope
from tests.console.stage import Stage, axe_findings, staged

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Page

    Open = Callable[..., Page]


@step
async def work() -> None:
    await trio.sleep_forever()


class Agent(Service):
    @handler
    async def run(self) -> None:
        await work()


async def send_three(stage: Stage) -> None:
    for _ in range(3):
        await stage.client.service(Agent).run.send()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path, Agent) as running:
        yield running


def test_a_limit_is_set_seen_changed_and_deleted(stage: Stage, open_page: Open, complaints: list[str]) -> None:
    page = open_page(stage.address("/limits"))
    page.get_by_text("No limits").wait_for()
    page.get_by_role("button", name="Set a limit…").click()
    dialog = page.get_by_role("dialog", name="Set a limit")
    dialog.get_by_label("Scope").fill("service")
    dialog.get_by_label("How many run at once").fill("1")
    dialog.get_by_label("How many start in a period").fill("50")
    dialog.get_by_role("button", name="Set the limit").click()
    dialog.get_by_role("alert").get_by_text("the scope is").wait_for()
    complaints.clear()  # the refusal
    dialog.get_by_label("Scope").fill("service:Agent")
    dialog.get_by_role("button", name="Set the limit").click()
    row = page.get_by_role("row").filter(has_text="service:Agent")
    row.get_by_text("50 in 60 s").wait_for()
    stage.do(send_three, stage)
    row.get_by_role("cell", name="2", exact=True).wait_for()
    assert axe_findings(page) == []

    reader = open_page(stage.address("/limits", stage.served.tokens.create("reader", TokenScope.READ)))
    reader.get_by_role("row").filter(has_text="service:Agent").wait_for()
    assert reader.get_by_role("main").get_by_role("button").count() == 0

    page.get_by_role("button", name="Change the limit of service:Agent").click()
    page.get_by_role("dialog").get_by_label("How many run at once").fill("")
    page.get_by_role("dialog").get_by_label("Budget").fill("tokens=100000, euros=0.50")
    page.get_by_role("dialog").get_by_role("button", name="Set the limit").click()
    row.get_by_role("cell", name="3", exact=True).wait_for()
    row.get_by_role("cell", name="0 of 100000 tokens, 0 of 0.5 euros").wait_for()
    page.get_by_role("button", name="Change the limit of service:Agent").click()
    assert page.get_by_role("dialog").get_by_label("Budget").input_value() == "tokens=100000, euros=0.5"
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Delete the limit of service:Agent").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete the limit").click()
    page.get_by_text("No limits").wait_for()
    verbs = [entry.verb for entry in stage.do(stage.client.audit).entries]
    assert verbs == ["delete-limit", "set-limit", "set-limit"]

"""One browser for the folder, a page of its own for each test; a page that says an error to its console fails the test."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.tools import chromium

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, BrowserContext, Page

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
PATIENCE_MS = 60_000
"""How long a page has for anything: for a machine that is busy, as a test that passes does not wait for it."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what fails in a browser once more: on a busy machine Chromium itself can fail. The summary names it (RERUN)."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.flaky(reruns=1))


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The browser, which is closed after the folder's last test: until then this thread has a running event loop."""
    executable = chromium()
    from playwright.sync_api import sync_playwright  # only where there is a browser

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=executable, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def complaints() -> list[str]:
    """What pages have said to their consoles. A test that expects something of it takes it out."""
    return []


@pytest.fixture
def open_page(browser: Browser, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens pages, each as in a window of its own."""
    contexts: list[BrowserContext] = []

    def open_one(url: str = "about:blank", **options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}") if said.type != "log" else None)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.goto(url)
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert complaints == []

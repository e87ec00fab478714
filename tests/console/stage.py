"""A runtime that is served from a thread of its own, and a browser before it.

The browser's driver is synchronous, so these tests are: what is asked of the runtime is done in its thread, by :meth:`Stage.do`.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import attrs
import trio

from tests.console.tools import packages
from tests.http.served import Served, serving

if TYPE_CHECKING:
    from playwright.sync_api import Page, Request, Route

T = TypeVar("T")

PATIENCE_SECONDS = 60.0


@attrs.define(eq=False)
class Stage:
    """A server that runs, and the thread that it runs in."""

    served: Served
    _token: trio.lowlevel.TrioToken

    @property
    def url(self) -> str:
        """Where the console is."""
        return f"{self.served.url}/ui/"

    @property
    def client(self) -> Any:
        """The runtime's client, for use in :meth:`do`."""
        return self.served.runtime.client

    def do(self, work: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Do it in the runtime's thread."""

        async def bounded() -> T:
            with trio.fail_after(PATIENCE_SECONDS):
                return await work(*args)

        return trio.from_thread.run(bounded, trio_token=self._token)

    def address(self, place: str = "", token: str | None = None) -> str:
        """The address of a place in the console, for somebody who has just been given a token."""
        return f"{self.url}#token={token or self.served.token}&to={place or '/'}"


@contextmanager
def staged(directory: Path, *classes: type, **options: Any) -> Iterator[Stage]:
    """Serve these classes for the block."""
    ready = threading.Event()
    stages: list[Stage] = []
    errors: list[BaseException] = []
    stop: list[Callable[[], None]] = []

    async def run() -> None:
        async with serving(directory, *classes, **options) as served:
            over = trio.Event()
            token = trio.lowlevel.current_trio_token()
            stop.append(partial(token.run_sync_soon, over.set))
            stages.append(Stage(served, token))
            ready.set()
            await over.wait()

    def in_thread() -> None:
        try:
            trio.run(run)
        except BaseException as error:  # told to the test, which waits for the thread
            errors.append(error)
        finally:
            ready.set()

    thread = threading.Thread(target=in_thread, name="served")
    thread.start()
    try:
        assert ready.wait(PATIENCE_SECONDS)
        if errors:
            raise errors[0]
        yield stages[0]
    finally:
        if stop:
            stop[0]()
        thread.join(PATIENCE_SECONDS)
        assert not thread.is_alive(), "the server does not end"
    if errors:
        raise errors[0]


def is_stream(request: Request) -> bool:
    """Whether a page asks for events as they happen."""
    return request.headers.get("accept") == "text/event-stream"


def hold_requests(page: Page, part: str, which: Callable[[Request], bool] = lambda _: True) -> Callable[[], None]:
    """Keep the page's requests with this in their address from the server, until the function that is returned is called."""
    held: list[Route] = []
    is_over = False

    def hold(route: Route) -> None:
        if is_over or not which(route.request):
            route.continue_()
        else:
            held.append(route)

    def let_go() -> None:
        nonlocal is_over
        is_over = True
        for route in held:
            route.continue_()

    page.route(lambda url: part in url, hold)
    return let_go


SERIOUS = ("serious", "critical")
LOOKS: tuple[Literal["dark"], Literal["light"]] = ("dark", "light")
"""The look of a page that was opened without a word is light, and so it is left."""


def axe_findings(page: Page) -> list[str]:
    """What axe-core finds wrong with the page as it is, of the serious kinds, in both looks."""
    source = (packages() / "axe-core" / "axe.min.js").read_text()
    page.evaluate(source)
    findings: list[str] = []
    for look in LOOKS:
        page.emulate_media(color_scheme=look)
        found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        findings += [
            f"{look}: {violation['id']}: {violation['help']}: {node['html'][:300]} {node['failureSummary'][:300]}"
            for violation in found["violations"]
            if violation["impact"] in SERIOUS
            for node in violation["nodes"]
        ]
    return findings

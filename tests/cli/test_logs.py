"""The log of a server is one line an event, with what failed beside it."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

import actors
from actors import Limits, Service, handler
from cli.logs import set_up_logs
from tests.lab import Lab
from tests.virtual import on_virtual_time

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """Its handlers are as they were afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield root
    root.handlers[:] = handlers
    root.setLevel(level)


def logged(root: logging.Logger, capsys: pytest.CaptureFixture[str], *said: str, **extra: Any) -> dict[str, Any]:
    """What a server's log says of it: one line."""
    set_up_logs(verbose=False)
    root.warning(*said, extra=extra)
    (line,) = capsys.readouterr().err.splitlines()
    entry: dict[str, Any] = json.loads(line)
    return entry


def test_a_traceback_of_a_handler_stands_apart_from_its_line(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    traceback = 'Traceback (most recent call last):\n  File "app.py", line 3\nValueError: a\x1b[2Jstone'
    entry = logged(root, capsys, "%s%s", "it failed", f"\n{traceback}", traceback=traceback)
    assert entry["event"] == "it failed"
    lines = entry["exception"].splitlines()
    assert lines[0].strip() == "Traceback (most recent call last):"
    assert lines[-1].startswith("  ValueError: a")
    assert "\x1b" not in lines[-1]


def test_a_message_with_line_breaks_stays_one_line(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    assert "\n" not in logged(root, capsys, "it failed\nforged: all is well")["event"]


class Clerk(Service):
    @handler
    async def work(self) -> None:
        logging.getLogger("an app").warning("begins")
        await actors.sleep(60.0)
        logging.getLogger("an app").warning("ends")


@on_virtual_time
async def test_what_an_app_logs_in_a_handler_appears_once_and_names_its_invocation(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    set_up_logs(verbose=False)
    async with Lab(Clerk, limits=Limits(unload_after_seconds=10.0)).running() as runtime:
        handle = await runtime.client.service(Clerk).work.send()
        await handle.result()
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    ours = [line for line in lines if line["logger"] == "an app"]
    assert [(line["event"], line["invocation_id"], line["handler"], line["attempt"]) for line in ours] == [
        ("begins", handle.id, "work", 1),
        ("ends", handle.id, "work", 1),
    ]


def test_a_line_from_elsewhere_names_no_invocation(root: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    assert "invocation_id" not in logged(root, capsys, "hello")

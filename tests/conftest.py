"""What every test needs: time that jumps, and a world in which nothing has happened yet."""

from __future__ import annotations

import gc
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

from tests import long_way, replicated
from tests.lab import WORLD
from tests.virtual import run_on_virtual_time

FOLDERS = [folder.name for folder in Path(__file__).parent.iterdir() if (folder / "__init__.py").exists()]

# Assertions of the tests' helpers (``given(…).then(…)``) explain themselves, and hold under ``python -O``.
pytest.register_assert_rewrite(*(f"tests.{folder}" for folder in FOLDERS))

# A busy machine is no reason for a test to fail.
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite",
        action="store_true",
        help="Rewrite the golden files of tests/test_wording.py and the table of imports in ARCHITECTURE.md.",
    )
    parser.addoption(
        "--long-way",
        action="store_true",
        help="Have the engine decide each call before it runs, also in processes that tests start (tests/long_way.py).",
    )
    parser.addoption(
        "--replicated",
        action="store_true",
        help="Keep the journals of engines on virtual time on a replicated log, read by an empty node at each start.",
    )


def pytest_configure(config: pytest.Config) -> None:
    replicated.is_wanted = config.getoption("--replicated")
    long_way.is_wanted = config.getoption("--long-way")
    if long_way.is_wanted:
        stack = ExitStack()
        stack.enter_context(long_way.taken())
        config.add_cleanup(stack.close)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if config.getoption("--long-way") and collection_path.name in long_way.COMPARISONS else None


@pytest.fixture(autouse=True)
def empty_world() -> Iterator[None]:
    WORLD.clear()
    yield
    WORLD.clear()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Collect tests without looking for garbage: the objects that this makes live until the end. Nor are they looked through later.

    The bytecode of tests with pytest's assertions is kept, also where PYTHONDONTWRITEBYTECODE is set: each process of each run would
    make all of it again.
    """
    gc.disable()
    writes_none, sys.dont_write_bytecode = sys.dont_write_bytecode, False
    try:
        return (yield)
    finally:
        sys.dont_write_bytecode = writes_none
        gc.enable()
        gc.collect()  # a class with slots is made twice, and the first one is found among its bases' subclasses until then
        gc.freeze()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("trio") and item.get_closest_marker("virtual_time"):
            item.add_marker(pytest.mark.trio(run=run_on_virtual_time), append=False)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how far the suites came that do as much as fits into their time."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            for name, value in report.user_properties:
                if name == "reached" and report.when == "call":
                    terminalreporter.write_line(f"reached: {value}")

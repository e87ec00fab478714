"""The long way: ``python -m pytest --long-way`` has the engine decide first, and run then.

The engine runs a call of a free object first and records it as a whole (``actors.engine.first_turns``), and it hands the value of a
step, or the end of another wait, to its handler and records both together (``actors.engine.step_turns``, ``actors.engine.wait_turns``),
and it pauses an invocation by its row
(``actors.engine.row_pauses``). These are abridgements: what is decided one by one
must come to the same, so every suite passes on both ways. The switch is here and not in the product, as nobody else needs it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib import import_module
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

import pytest

from tests.children import customized

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

COMPARISONS = (
    "test_both_ways.py",
    "test_first_turns.py",
    "test_row_pauses.py",
    "test_step_turns.py",
    "test_wait_turns.py",
)
"""Left out with the option: they compare the two ways, or are about the short one."""

is_wanted = False
"""Set by the option, before tests are collected."""


def about_the_short_way(why: str) -> pytest.MarkDecorator:
    """Leave a test out with the option."""
    return pytest.mark.skipif("__import__('tests.long_way').long_way.is_wanted", reason=why)


def _decide(*_: object) -> bool:
    """Take no short way: decide."""
    return False


WAYS = {
    "actors.engine.first_turns": "FirstTurns",
    "actors.engine.row_pauses": "RowPauses",
    "actors.engine.step_turns": "StepTurns",
    "actors.engine.wait_turns": "WaitTurns",
}
"""The class whose method ``take`` takes a short way, by module."""


class _Finder(MetaPathFinder):
    """Finds the modules of the short ways, and closes each way when its module is imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname in WAYS else None
        if spec is None or spec.loader is None:
            return None
        loader: Any = spec.loader
        execute = loader.exec_module

        def execute_and_close(module: Any) -> None:
            execute(module)
            _close(module)

        loader.exec_module = execute_and_close
        return spec


def take() -> None:
    """Have this process take the long way from now on."""
    imported = WAYS.keys() & sys.modules.keys()
    if len(imported) < len(WAYS):
        sys.meta_path.insert(0, _Finder())
    for name in imported:
        _close(sys.modules[name])


def _close(module: Any) -> None:
    way = getattr(module, WAYS[module.__name__])
    _ = way.take  # if it goes by another name by now, this says so
    way.take = _decide


@contextmanager
def taken() -> Iterator[None]:
    """The engine takes the long way within the block, in this process and in those that it starts."""
    ways: list[Any] = [getattr(import_module(module), name) for module, name in WAYS.items()]
    before = [way.take for way in ways]
    take()
    try:
        with customized("from tests.long_way import take; take()"):
            yield
    finally:
        for way, taking in zip(ways, before, strict=True):
            way.take = taking

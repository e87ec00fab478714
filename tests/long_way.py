"""The long way of a call: ``python -m pytest --long-way`` has the engine decide each call before it runs.

The engine runs a call of a free object first and records it as a whole (``actors.engine.first_turns``). That is an abridgement: what
is decided step by step must come to the same, so every suite passes on both ways. The switch is here and not in the product, as
nobody else needs it.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any

from tests.children import customized

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

COMPARISONS = ("test_both_ways.py", "test_first_turns.py")
"""Left out with the option: they compare the two ways."""

_MODULE = "actors.engine.first_turns"


class _Finder(MetaPathFinder):
    """Finds the module of the short way, and closes that way when it is imported."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(fullname, path, target) if fullname == _MODULE else None
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
    module = sys.modules.get(_MODULE)
    if module is None:
        sys.meta_path.insert(0, _Finder())
    else:
        _close(module)


def _close(module: Any) -> None:
    _ = module.CALLS_A_ROUND  # if it goes by another name by now, this says so
    module.CALLS_A_ROUND = 0


@contextmanager
def taken() -> Iterator[None]:
    """Calls take the long way within the block, in this process and in those that it starts."""
    from actors.engine import first_turns

    before = first_turns.CALLS_A_ROUND
    take()
    try:
        with customized("from tests.long_way import take; take()"):
            yield
    finally:
        first_turns.CALLS_A_ROUND = before

"""Which deployments are loaded in this process: what is looked up by the class names in their records.

The code that loads them notes it here, so that values need to know nothing of how code is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


@attrs.frozen
class LoadedCode:
    """A deployment that is loaded: the top-level names that are its own, and the modules that the application is named by."""

    own_names: AbstractSet[str]
    entries: tuple[str, ...]


_loaded: dict[str, LoadedCode] = {}


class _Change:
    number = 0


_change = _Change()


def note_loaded(deployment: str, code: LoadedCode) -> None:
    """It can be found from now on."""
    _loaded[deployment] = code
    _change.number += 1


def note_unloaded(deployment: str) -> None:
    """It cannot be found any more."""
    del _loaded[deployment]
    _change.number += 1


def loads() -> int:
    """A number that changes whenever a deployment is loaded or unloaded."""
    return _change.number


def find_loaded(deployment: str) -> LoadedCode | None:
    """The deployment, if it is loaded."""
    return _loaded.get(deployment)

"""The deployments loaded in this process, needed to find the classes that their records name.

The code that loads a deployment registers it here, so values need not know how code is loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


@attrs.frozen
class LoadedCode:
    """A loaded deployment: its own top-level module names, and the modules that name the application."""

    own_names: AbstractSet[str]
    entries: tuple[str, ...]


_loaded: dict[str, LoadedCode] = {}


class _Change:
    number = 0


_change = _Change()


def note_loaded(deployment: str, code: LoadedCode) -> None:
    """Register a loaded deployment."""
    _loaded[deployment] = code
    _change.number += 1


def note_unloaded(deployment: str) -> None:
    """Remove a deployment that has been unloaded."""
    del _loaded[deployment]
    _change.number += 1


def loads() -> int:
    """Return a counter that changes whenever a deployment is loaded or unloaded."""
    return _change.number


def find_loaded(deployment: str) -> LoadedCode | None:
    """Return the deployment, or None if it is not loaded."""
    return _loaded.get(deployment)

"""Whether ``import actors`` means playhead's package, or a file of the user's that has the same name."""

from __future__ import annotations

import importlib.util
from pathlib import Path

PACKAGES = ("actors", "journal", "cli")


def check_packages() -> None:
    """Raise :class:`ImportError` if a file or folder of the user's hides a package of playhead: it names the path."""
    home = Path(__file__).resolve().parents[1]
    for name in PACKAGES:
        path = _origin(name)
        if path is not None and home not in path.resolve().parents:
            raise ImportError(
                f"{path} hides playhead's own package {name!r}: rename it, or start Python from another folder"
            )


COMMAND_LINE = ("apsw", "click", "h11", "httpx2", "rich", "watchfiles")
"""What ``playhead[cli]`` installs, by the names under which it is imported."""


def check_command_line() -> None:
    """Raise :class:`ImportError` if a package that the command line needs is not installed."""
    missing = [name for name in COMMAND_LINE if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(
            f"the command line needs {', '.join(missing)}, not installed here: pip install 'playhead[cli]'"
        )


def _origin(name: str) -> Path | None:
    """Where a package would be imported from, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None:
        return None
    return Path(spec.origin if spec.origin is not None else next(iter(spec.submodule_search_locations or ("",))))

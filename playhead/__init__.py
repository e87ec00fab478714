"""playhead under the name of its distribution: ``import playhead`` gives what ``import actors`` does.

The names are loaded on first use, so that the command line can start from here without loading them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from actors import *
    from actors import __all__ as __all__


def __getattr__(name: str) -> Any:
    if name.startswith("__") and name not in ("__all__", "__version__"):
        raise AttributeError(name)
    from playhead.packages import check_packages

    check_packages()
    import actors

    return getattr(actors, name)


def __dir__() -> list[str]:
    return sorted(__getattr__("__all__"))

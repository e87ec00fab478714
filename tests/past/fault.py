"""What is kept of a fault that was mended."""

from __future__ import annotations

import attrs


@attrs.frozen(init=False)
class Fault:
    """``name`` is what people call it, ``harm`` one sentence that says what went wrong for the user, ``tests`` fail if it comes back."""

    name: str
    harm: str
    tests: tuple[str, ...]

    def __init__(self, name: str, harm: str, *tests: str) -> None:
        self.__attrs_init__(name, harm, tests)

"""What the docstring of an example has a reader type."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def commands_of(example: Path) -> list[str]:
    """The lines of the docstring that a reader may type, without their comments."""
    docstring = ast.get_docstring(ast.parse(example.read_text()), clean=False) or ""
    lines = [re.sub(r"\s+#.*", "", line[4:]) for line in docstring.splitlines() if line.startswith("    ")]
    return [line for line in lines if line]

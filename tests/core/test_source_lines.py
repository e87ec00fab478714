"""The line of a handler that made a request, as its history shows it."""

from __future__ import annotations

from typing import Any

from actors.model.verbs.branches import source_line

SOURCE = """
def ask(source_line):
    return source_line(0)
"""


def asked_in(file: str) -> str:
    names: dict[str, Any] = {}
    exec(compile(SOURCE, file, "exec"), names)
    line: str = names["ask"](source_line)
    return line


def test_the_same_code_in_two_files_has_a_line_in_each() -> None:
    assert asked_in("/app/orders.py") == "orders.py:3"
    assert asked_in("/app/returns.py") == "returns.py:3"

"""Conditions as text and as parts: whatever is written, a part that is put beside it narrows it, and taken away again leaves it."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.console.tools import NO_NPM, STATIC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Parts = Callable[[str], dict[str, Any]]

PROGRAM = """
import * as readline from "node:readline";
import { pathToFileURL } from "node:url";
const where = await import(pathToFileURL(process.argv[1]));
for await (const line of readline.createInterface({ input: process.stdin })) {
  const text = JSON.parse(line);
  const parts = where.parse(text);
  const narrowed = where.format(where.withEqual(parts, "key", "k"));
  console.log(JSON.stringify({
    same: where.format(parts),
    unbalanced: where.unbalanced(text),
    states: where.statesOf(parts),
    key: where.equalTo(parts, "key"),
    narrowed,
    back: where.format(where.withEqual(where.parse(narrowed), "key", "")),
    paused: where.format(where.withStates(parts, ["paused", "failed"])),
  }));
}
"""

ROWS = [
    (service, key, status, outcome, tries)
    for service in ("A", "or", "it's")
    for key in ("k", "and (", None)
    for status, outcome in (("paused", None), ("running", None), ("completed", "failed"), ("completed", "succeeded"))
    for tries in (0, 3)
]


@pytest.fixture(scope="module")
def parts() -> Iterator[Parts]:
    """What the console's module makes of a text."""
    node = shutil.which("node")
    if node is None:
        pytest.skip(NO_NPM)
    command = [node, "--input-type=module", "-e", PROGRAM, str(STATIC / "lib" / "where.js")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdin is not None
        assert running.stdout is not None
        asked, told = running.stdin, running.stdout

        def ask(text: str) -> dict[str, Any]:
            asked.write(json.dumps(text) + "\n")
            asked.flush()
            answer: dict[str, Any] = json.loads(told.readline())
            return answer

        yield ask
        asked.close()


@pytest.fixture(scope="module")
def fitting() -> Iterator[Callable[[str], set[int]]]:
    """Which rows a condition fits."""
    store = sqlite3.connect(":memory:")
    store.execute("create table sys_invocation (service, key, status, outcome, failed_attempts)")
    store.executemany("insert into sys_invocation values (?, ?, ?, ?, ?)", ROWS)

    def fits(where: str) -> set[int]:
        return {row for (row,) in store.execute(f"select rowid from sys_invocation where ({where}\n)")}

    yield fits
    store.close()


ATOMS = st.sampled_from(
    [
        "status = 'paused'",
        "status in ('paused', 'running')",
        "outcome = 'failed'",
        "(status = 'running' or outcome in ('failed', 'killed'))",
        "status = 'failed'",
        "service = 'or'",
        "SERVICE='it''s'",
        "key = 'and ('",
        "key is not null",
        "failed_attempts>3",
        "failed_attempts between 1 and 5",
        "case when failed_attempts > 1 and key = 'k' then 1 else 0 end",
        "\"service\" = 'A'",
        "[key] = 'k'",
        "'or'",
        "1 -- and more\n",
        "1 /* or ) */",
    ]
)
JOINTS = st.sampled_from([" and ", " or ", "\nAND\n", " Or ", ")or(", ")and("])


@st.composite
def conditions(draw: st.DrawFn) -> str:
    text = draw(ATOMS)
    for _ in range(draw(st.integers(0, 3))):
        joint = draw(JOINTS)
        other = draw(ATOMS)
        text = f"({text}{joint}{other})" if joint.startswith(")") else f"{text}{joint}{other}"
        if draw(st.booleans()):
            text = f"{draw(st.sampled_from(['', 'not ']))}({text})"
    return text


@given(text=conditions())
@example(text="(status = 'paused' and key = 'and (') and status = 'paused'")
@example(text="(key = 'and (' and status = 'paused')")
@example(text="key = 'and (' and 1 -- and more\n")
@settings(max_examples=400, deadline=None)
def test_what_is_put_beside_a_condition_narrows_it_and_taken_away_leaves_it(
    text: str, parts: Parts, fitting: Callable[[str], set[int]]
) -> None:
    found = parts(text)
    whole = fitting(text)
    assert found["unbalanced"] == ""
    assert fitting(found["same"]) == whole, found
    if not found["key"]:
        assert fitting(found["narrowed"]) == whole & fitting("key = 'k'"), found
        assert fitting(found["back"]) == whole, found
    if not found["states"]:
        assert fitting(found["paused"]) == whole & fitting("status = 'paused' or outcome = 'failed'"), found


@pytest.mark.parametrize(
    ("text", "picked", "others"),
    [
        ("(status = 'paused' and key = 'and (') and status = 'paused'", "and (", "status = 'paused'"),
        ("(key = 'and (' and status = 'paused')", "and (", "status = 'paused'"),
        ("key = 'and (' and 1 -- and more\n", "", "key = 'and ('"),
        ("key = 'and (' and status = 'paused' and key = 'k'", "k", "key = 'and (' and status = 'paused'"),
    ],
)
def test_of_two_words_on_a_column_the_last_is_the_pick(
    text: str, picked: str, others: str, parts: Parts, fitting: Callable[[str], set[int]]
) -> None:
    found = parts(text)
    assert found["key"] == picked
    assert fitting(found["narrowed"]) == fitting(others) & fitting("key = 'k'"), found
    assert fitting(found["back"]) == fitting(others), found


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("a) or (b", "unmatched closing bracket at character 2"),
        ("(a or b", "a bracket is not closed"),
        ("key = 'a", "' is not closed, at character 7"),
        ("1 /* and", "/* is not closed, at character 3"),
        ("key = ')' and 1 -- )", ""),
    ],
)
def test_what_would_reach_beyond_its_own_brackets_is_told(text: str, wrong: str, parts: Parts) -> None:
    assert parts(text)["unbalanced"] == wrong

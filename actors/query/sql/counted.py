"""Turns a question that only counts invocations into one to their counters, which reads no invocation. ::

    select service, count(*) from sys_invocation where status = 'paused' group by 1
    select service, coalesce(sum("count"), 0) from sys_invocation_count where status = 'paused' group by 1

A virtual table cannot tell SQLite that a row stands for many, so the text is changed, and only a text whose meaning is plain: one
SELECT from ``sys_invocation`` alone that counts rows and has no other aggregate. SQLite decides the rest: the table of counters has
the columns that are counted by and no others, so a question about another column does not compile there, and is asked as it was
written. Both tables give these columns the same values, so a condition means the same in both.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r"(?P<gap>\s+|--[^\n]*|/\*.*?(?:\*/|\Z))|'(?:[^']|'')*'|[A-Za-z_]\w*|\d[\w.]*|\?\d*|[:@$]\w+|[<>=!|]{1,2}|[-+*/%(),.;&~]",
    re.DOTALL | re.ASCII,
)
_TABLE = "sys_invocation"
_COUNT = ["count", "(", "*", ")"]
_SUM = 'coalesce(sum("count"), 0)'
_AFTER_TABLE = frozenset({"where", "group", "order", "limit", ";"})
_AGGREGATES = frozenset(
    ["avg", "group_concat", "json_group_array", "json_group_object", "max", "min", "string_agg", "sum", "total"]
)
_CLAUSES = frozenset(["all", "distinct", "except", "filter", "intersect", "join", "over", "union", "values", "with"])
_OF_ROWS = frozenset(["oid", "random", "_rowid_", "rowid"])
_OF_OTHER_QUESTIONS = _AGGREGATES | _CLAUSES | _OF_ROWS


def as_counts(sql: str) -> str | None:
    """Return the same question to ``sys_invocation_count``; None if the text may ask for more than counts."""
    tokens = _tokens(sql)
    if tokens is None or not _only_counts([token.lower() for token in tokens]):
        return None
    asked: list[str] = []
    for token in tokens:
        asked.append(f"{_TABLE}_count" if token.lower() == _TABLE else token)
        if [one.lower() for one in asked[-4:]] == _COUNT:
            asked[-4:] = [_SUM]
    return " ".join(asked)


def _tokens(sql: str) -> list[str] | None:
    """The tokens without white space and comments. None if the text has others than these: quoted names, for example."""
    tokens: list[str] = []
    at = 0
    while at < len(sql):
        found = _TOKEN.match(sql, at)
        if found is None:
            return None
        if found["gap"] is None:
            tokens.append(found[0])
        at = found.end()
    return tokens


def _only_counts(words: list[str]) -> bool:
    if words[:1] != ["select"] or words.count("select") != 1 or words.count("from") != 1:
        return False
    if not _OF_OTHER_QUESTIONS.isdisjoint(words):
        return False
    at = words.index("from")
    if words[at + 1 : at + 2] != [_TABLE] or not {*words[at + 2 : at + 3]} <= _AFTER_TABLE:
        return False
    counts = [number for number, word in enumerate(words) if word == "count"]
    return bool(counts) and all(words[number : number + 4] == _COUNT for number in counts)

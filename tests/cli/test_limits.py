"""Limits that are set on the command line."""

from __future__ import annotations

import attrs
import click
import pytest

from actors.http.server_options import ServerLimits
from actors.values.limits import Limits
from cli.limits import parse_limits


def test_limits_of_the_runtime_and_the_server_are_set_by_name() -> None:
    limits, server = parse_limits(["mailbox=7", "query_seconds=1.5", "connections=9", "head_seconds=2"])
    assert limits == attrs.evolve(Limits(), mailbox=7, query_seconds=1.5)
    assert server == attrs.evolve(ServerLimits(), connections=9, head_seconds=2.0)
    assert parse_limits([]) == (Limits(), ServerLimits())


@pytest.mark.parametrize(
    "word",
    [
        "mailbox",
        "nothing=1",
        "mailbox=x",
        "mailbox=1.5",
        "mailbox=0",
        "mailbox=-1",
        "query_seconds=nan",
        "query_seconds=0",
    ],
)
def test_what_is_no_limit_is_refused(word: str) -> None:
    with pytest.raises(click.UsageError):
        parse_limits([word])


def test_no_two_limits_have_one_name() -> None:
    names = [field.name for owner in (Limits, ServerLimits) for field in attrs.fields(owner)]
    assert len(names) == len(set(names))

"""Tags from a shell: given, listed, and used to select what a verb changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tests.cli.shell import Shell


def test_what_is_sent_with_tags_is_listed_and_cancelled_by_them(shop: Shell) -> None:
    of = shop.done("playhead send Waiter/wait '\"a\"' --tag user=ada --tag session=s1")
    other = shop.done("playhead send Waiter/wait '\"b\"' --tag user=ben")
    listed = msgspec.json.decode(shop.done("playhead invocations list --tag user=ada --tag session=s1 -o json"))
    assert [(info["id"], info["tags"]) for info in listed] == [(of, {"session": "s1", "user": "ada"})]
    assert "session=s1 user=ada" in shop.done("playhead invocations list Waiter -o wide")
    assert "session=s1, user=ada" in shop.done(f"playhead invocations describe {of}")
    shop.done("playhead invocations cancel --tag user=ada --yes")
    assert shop.done("playhead invocations list Waiter --status completed -o id") == of
    shop.done("playhead invocations signal go true --tag user=ben --yes")
    assert '"go"' in shop.done(f"playhead invocations events {other} -o json")


def test_a_call_takes_tags_too(shop: Shell) -> None:
    shop.done("""playhead call Shop/a/sell '{"what": "tea", "amount": 2}' --tag user=ada""")
    assert shop.done("playhead sql \"select invocation_id from sys_tag where value = 'ada'\" -o json") != "[]"


def test_a_tag_without_a_value_is_a_usage_error(shop: Shell) -> None:
    assert shop.run("playhead send Waiter/wait '\"a\"' --tag user").code == 2
    assert shop.run("playhead invocations cancel --tag 'a b=c' --yes").code == 2

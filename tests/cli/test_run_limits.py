"""Limits from a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tests.cli.shell import Shell


def test_a_limit_is_set_listed_and_deleted(shop: Shell) -> None:
    assert "none -> 2 of service:Waiter" in shop.done("playhead limits set few service:Waiter --concurrency 2")
    (found,) = msgspec.json.decode(shop.done("playhead limits list -o json"))
    assert (found["name"], found["concurrency"], found["waiting"]) == ("few", 2, 0)
    assert "2 of service:Waiter -> none" in shop.done("playhead limits delete few")
    assert shop.run("playhead limits set few Waiter --concurrency 2").code != 0

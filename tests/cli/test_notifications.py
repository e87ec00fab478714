"""Notifications from a shell: each command, what it prints, and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tests.cli.shell import Shell


def test_each_command_of_notifications(shop: Shell) -> None:
    line = "playhead notifications create pager http://127.0.0.1:1/in --on failed --on paused --tag team=red"
    assert shop.done(line).startswith("whsec_")
    assert shop.done(line) == "pager  unchanged"
    assert "pager" in shop.done("playhead notifications list")
    assert "failed" in shop.done("playhead notifications describe pager")
    tested = shop.run("playhead notifications test pager")
    assert (tested.code, "ConnectError" in tested.err) == (1, True)
    assert shop.done("playhead notifications update pager --on ended --note 'for ops'") == "pager  changed"
    info = msgspec.json.decode(shop.done("playhead notifications describe pager -o json"))
    assert (info["on"], info["tags"], info["note"]) == (
        ["succeeded", "failed", "cancelled", "killed"],
        {"team": "red"},
        "for ops",
    )
    assert shop.done("playhead notifications rotate pager").startswith("whsec_")
    assert shop.done("playhead notifications delete pager --reason done") == "pager  deleted"
    assert shop.run("playhead notifications describe pager").code == 4
    assert shop.run("playhead notifications create x ftp://a --on failed").code in (2, 3)

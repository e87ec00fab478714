"""Schedules from a shell: each command, what it prints, and how a mistake is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tests.cli.shell import Shell


def test_each_verb_has_a_command(shop: Shell) -> None:
    created = shop.done(
        "playhead schedules create nightly Shop/a/sell '{\"what\": \"tea\"}' --cron '30 2 * * *' --zone Europe/Berlin"
    )
    assert created.startswith("nightly  active  next ")
    assert "nightly" in shop.done("playhead schedules list")
    assert shop.done("playhead schedules list -o id") == "nightly"
    assert shop.done("playhead schedules pause nightly --reason audit") == "nightly  changed"
    assert shop.done("playhead schedules pause nightly") == "nightly  unchanged"
    shown = shop.done("playhead schedules show nightly --count 2")
    assert "audit" in shown
    assert shown.count("02:30:00") == 2
    assert shop.done("playhead schedules resume nightly") == "nightly  changed"
    run = shop.done("playhead schedules trigger nightly --reason now")
    assert run in shop.done("playhead invocations list Shop -o id")
    assert shop.done("playhead schedules backfill nightly 2026-03-01 2026-03-03T12:00") == "3 runs"
    assert shop.done("playhead schedules update nightly --cron @daily --note 'at midnight'") == "nightly  changed"
    info = msgspec.json.decode(shop.done("playhead schedules show nightly -o json"))
    assert (info["cron"], info["zone"], info["note"]) == ("@daily", "Europe/Berlin", "at midnight")
    assert info["argument"] == {"what": "tea"}
    assert shop.done("playhead schedules delete nightly") == "nightly  deleted"
    assert shop.run("playhead schedules show nightly").code == 4
    audit = shop.done("playhead audit")
    for verb in ("create", "pause", "resume", "trigger", "backfill", "update", "delete"):
        assert f"{verb}-schedule" in audit


def test_the_times_of_a_line_are_shown_without_a_server(shop: Shell) -> None:
    shop.stop()
    shown = shop.done("playhead schedules next '30 2 * * *' --zone Europe/Berlin --start 2026-03-28 --count 2")
    assert shown.splitlines() == ["Sat 2026-03-28 02:30:00+0100", "Sun 2026-03-29 03:00:00+0200"]


def test_a_mistake_is_told_by_its_name(shop: Shell) -> None:
    for line, word in {
        "playhead schedules create x Shop/a/sell --cron '61 * * * *'": "minute",
        "playhead schedules create x Shop/a/sell --cron '0 * * * *' --zone Mars/Base": "zone",
        "playhead schedules create x Shop/a/sell '5'": "cron",
        "playhead schedules create x Shop/a/steal --every 1h": "steal",
        "playhead schedules create x Waiter/wait '5' --every 1h": "argument",
        "playhead schedules create x Waiter/wait '\"a\"' --every 1h --end yesterday": "end",
        "playhead schedules next '* * * *'": "cron",
    }.items():
        said = shop.run(line)
        assert said.code in (2, 3, 4), said
        assert word in said.err, said
    assert shop.done("playhead schedules list -o json") == "[]"

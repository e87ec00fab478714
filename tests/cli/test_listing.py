"""Every list has the same five forms, on a server that runs and on a directory at rest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cli.render.output import table_lines
from cli.render.text_table import facts_lines

if TYPE_CHECKING:
    from tests.cli.shell import Shell

AT_REST = [
    "invocations list",
    "audit",
    "tokens list",
    "actors list",
    "actors items Shop/a%2Fb stock",
    "actors history Shop/a%2Fb sales",
    "deployments list",
    "services",
    "services Shop",
    "gates list",
    "jobs list",
]


def begin(shop: Shell) -> None:
    shop.done("playhead tokens create ops --scope read")
    shop.done("""playhead call Shop/a%2Fb/sell '{"what": "tea", "amount": 2}'""")
    shop.done("playhead gates close service:Waiter --reason 'a look'")
    shop.done("playhead send Waiter/wait '\"ada\"'")
    shop.done("playhead invocations pause Waiter --yes")


def rows(shell: Shell, command: str) -> list[Any]:
    found: list[Any] = msgspec.json.decode(shell.done(f"playhead {command} -o json"))
    return found


def check_forms(shell: Shell, command: str) -> None:
    """The five forms agree with each other."""
    found = rows(shell, command)
    assert found, command
    lines = shell.done(f"playhead {command} -o jsonl").splitlines()
    assert [set(msgspec.json.decode(line)) for line in lines] == [set(row) for row in found]
    for output in ("table", "wide"):
        header, *table = shell.done(f"playhead {command} -o {output}").splitlines()
        assert header == header.upper()
        assert len(table) == len(found)
        assert "\x1b" not in header + "".join(table)
    assert len(shell.done(f"playhead {command} -o id").splitlines()) == len(found)


def test_every_list_of_a_server_has_five_forms(shop: Shell) -> None:
    begin(shop)
    for command in AT_REST:
        check_forms(shop, command)


def test_what_can_be_read_at_rest_has_them_too(stopped: Shell) -> None:
    stopped.done("playhead tokens create ops --scope read")
    for command in AT_REST:
        check_forms(stopped, command)


def test_at_rest_is_shown_what_was_shown_before(shop: Shell) -> None:
    begin(shop)
    of, job = shop.done("playhead invocations list Waiter -o id"), shop.done("playhead jobs list -o id")
    commands = ["gates list", "jobs list", f"jobs show {job}", f"jobs items {job}", f"why {of}", "deployments list"]
    commands += ["invocations list", f"invocations describe {of}"]
    before = {command: rows(shop, command) for command in commands}
    assert [reason["waits_for"] for reason in before[f"why {of}"]] == ["gate", "resume"]
    shop.stop()
    after = {command: rows(shop, command) for command in commands}
    for deployment in before["deployments list"]:
        assert (deployment["is_served"], deployment["is_loaded"]) == (True, True)
        deployment |= {"is_served": False, "is_loaded": False}
    assert after == before
    said = shop.run("playhead jobs show job_1")
    assert (said.code, "there is no job" in said.err) == (4, True)
    assert shop.run("playhead deployments show dep_0000000000000000").code == 4
    assert shop.run("playhead services Nobody").code == 4


def test_a_list_and_describe_give_the_same_values(shop: Shell) -> None:
    begin(shop)
    shop.done("playhead call Shop/b/sell '\"tea\"'")
    for is_served in (True, False):
        found = rows(shop, "invocations list")
        assert {row["status"] for row in found} == {"paused", "completed"}
        for row in found:
            described = msgspec.json.decode(shop.done(f"playhead invocations describe {row['id']} -o json"))
            assert described["invocation"] == row
        if is_served:
            shop.stop()


def test_ids_are_what_other_commands_take(stopped: Shell) -> None:
    ids = stopped.done("playhead invocations list -o id").splitlines()
    assert ids == [row["id"] for row in rows(stopped, "invocations list")]
    assert stopped.done("playhead actors list -o id") == "Shop/a%2Fb"


UNKNOWN = [
    "invocations list Nobody",
    "invocations list Nobody/a",
    "invocations list Shop/never",
    "invocations list Shop/a%2Fb/nothing",
    "invocations list Waiter/nothing",
    "actors list Nobody",
    "services Nobody",
    "actors show Nobody/a",
    "actors show Shop/never",
    "actors state get Shop/never",
    "actors items Shop/a%2Fb nothing",
    "actors history Shop/a%2Fb nothing",
    "actors history Shop/never owner",
]
UNKNOWN_TO_A_VERB = [
    "invocations pause Nobody --yes",
    "invocations cancel Nobody --yes --dry-run",
    "invocations signal Nobody go 1 --yes",
    "invocations signal Waiter/nothing go 1 --yes",
    "invocations kill Shop/never --yes",
    "invocations purge Shop/a%2Fb/nothing --yes",
    "gates close service:Nobody",
    "call Nobody/a/sell",
    "send Shop/a/nothing",
]


def test_what_does_not_exist_is_an_error_and_no_empty_list(shop: Shell) -> None:
    begin(shop)
    for command in UNKNOWN + UNKNOWN_TO_A_VERB:
        said = shop.run(f"playhead {command}")
        assert (said.code, said.out) == (4, ""), said
    assert shop.done("playhead invocations list Shop --status paused -o id") == ""
    assert shop.run("playhead invocations resume Shop --yes").code == 4
    shop.stop()
    for command in UNKNOWN:
        said = shop.run(f"playhead {command}")
        assert (said.code, said.out) == (4, ""), said


EVIL_TARGET = "Shop/line%0Afeed%1B[2J/sell"


def test_targets_and_objects_that_lists_print_can_be_typed_back(shop: Shell) -> None:
    begin(shop)
    shop.done("""playhead call Shop/50%25/sell '{"what": "tea"}'""")
    shop.done("""playhead call 'Shop/line\nfeed\x1b[2J/sell' '{"what": "tea"}'""")
    for is_served in (True, False):
        targets = {line.split()[1] for line in shop.done("playhead invocations list").splitlines()[1:]}
        assert targets == {"Shop/a%2Fb/sell", "Shop/50%25/sell", EVIL_TARGET, "Waiter/wait"}
        for target in targets:
            (line,) = shop.done(f"playhead invocations list {target}").splitlines()[1:]
            assert line.split()[1] == target
        objects = shop.done("playhead actors list").splitlines()[1:]
        assert sorted(objects) == ["Shop/50%25", "Shop/a%2Fb", EVIL_TARGET.removesuffix("/sell")]
        for name in objects:
            assert name in shop.done(f"playhead actors show {name}")
        if is_served:
            assert "1 invocation where" in shop.run("playhead invocations resume Waiter/wait --dry-run").err
            shop.stop()


def test_a_list_that_is_cut_says_so_and_how_to_go_on(stopped: Shell) -> None:
    every = rows(stopped, "invocations list --all")
    cut = stopped.run("playhead invocations list --limit 1 -o jsonl")
    assert cut.err.startswith("1 shown; more exist: --all, or --after ")
    rest = rows(stopped, f"invocations list --all --after {cut.err.split()[-1]}")
    assert [msgspec.json.decode(cut.out), *rest] == every
    assert stopped.run("playhead invocations list --all --limit 1").code == 2


def test_describe_and_events_read_a_directory_at_rest(stopped: Shell) -> None:
    of, *_ = stopped.done("playhead invocations list Waiter -o id").splitlines()
    assert "Waiter/wait" in stopped.done(f"playhead invocations describe {of}")
    described = msgspec.json.decode(stopped.done(f"playhead invocations describe {of} -o json"))
    events = rows(stopped, f"invocations events {of}")
    assert described["events"] == events
    assert [event["name"] for event in events][:2] == ["InvocationAccepted", "InvocationStarted"]


def test_an_export_is_the_whole_history_of_each(stopped: Shell) -> None:
    exported = stopped.done(
        "playhead invocations export -", stopped.done("playhead invocations list -o id")
    ).splitlines()
    found = [msgspec.json.decode(line) for line in exported]
    for info in rows(stopped, "invocations list"):
        own = [line for line in found if line["id"] == info["id"]]
        events = sum(line["kind"] == "event" for line in own)
        pieces = sum(line["kind"] == "output" for line in own)
        assert events >= 2
        assert [line["kind"] for line in own] == ["invocation", *["event"] * events, *["output"] * pieces]
        assert own[0]["invocation"]["target"] == info["target"]
        assert [line["event"]["number"] for line in own[1:]] == sorted(line["event"]["number"] for line in own[1:])
        assert own[1]["event"]["name"] == "InvocationAccepted"


def test_a_recording_is_replayed_on_code_on_disk(stopped: Shell) -> None:
    of, *_ = stopped.done("playhead invocations list Waiter -o id").splitlines()
    (stopped.folder / "recorded.jsonl").write_text(stopped.done(f"playhead invocations export --recording {of}") + "\n")
    (report,) = rows(stopped, f"invocations replay recorded.jsonl --app {Path(__file__).with_name('shop.py')}")
    assert (report["invocation_id"], report["verdict"]) == (of, "same")
    assert stopped.run(f"playhead invocations export --recording {of} --url http://127.0.0.1:9").code == 2


def test_state_is_read_at_rest_as_it_is_and_as_it_was(stopped: Shell) -> None:
    shown = stopped.done("playhead actors show Shop/a%2Fb")
    assert "sales       a log of 1 item" in shown
    assert stopped.done("playhead actors state get Shop/a%2Fb") in ("{}", '{\n  "owner": "nobody"\n}')
    assert "a log of" not in stopped.done("playhead actors show Shop/a%2Fb --at 1")
    said = stopped.run("playhead actors show Shop/a%2Fb --at 99")
    assert (said.code, "has no event 99" in said.err) == (2, True)


def test_what_needs_a_server_says_how_to_start_one(stopped: Shell) -> None:
    for command in (
        "gates close everything",
        "jobs follow job_1",
        "actors state set Shop/a owner=5",
        "actors delete Shop/a",
        "invocations kill Waiter",
    ):
        said = stopped.run(f"playhead {command}")
        assert said.code == 5, said
        assert "playhead serve APP" in said.err


def test_names_of_facts_are_apart_from_their_values_and_line_breaks_are_kept() -> None:
    lines = [*facts_lines([("last delivered", "now"), ("which", "a\nb\x1b")])]
    assert lines == ["last delivered  now", "which           a", "                b\\x1b"]


def test_a_row_is_one_line() -> None:
    assert [*table_lines(["WHICH"], [["a\nb\x1b"]])] == ["WHICH", "a b\\x1b"]

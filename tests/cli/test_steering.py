"""Steering from a shell: one, several, all that fit; what it says, and with which exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

import actors.sync

if TYPE_CHECKING:
    from tests.cli.shell import Shell

GONE = "inv_1" + "0" * 33


def send(shop: Shell, *names: str) -> list[str]:
    return [shop.done(f"playhead send Waiter/wait '\"{name}\"'") for name in names]


def statuses(shop: Shell) -> list[str]:
    found = msgspec.json.decode(shop.done("playhead invocations list Waiter -o json"))
    return [info["outcome"]["kind"] if info["outcome"] else info["status"] for info in found]


def test_ids_come_from_stdin_and_each_says_what_became_of_it(shop: Shell) -> None:
    ids = send(shop, "a", "b", "c")
    said = shop.run(
        "playhead invocations pause - --reason 'a look first'", shop.done("playhead invocations list Waiter -o id")
    )
    assert said.code == 0
    assert sorted(line.split()[0] for line in said.out.splitlines()) == sorted(ids)
    assert all(line.endswith("-> paused") for line in said.out.splitlines())
    again = shop.done(f"playhead invocations pause {ids[0]}")
    assert again == f"{ids[0]}  unchanged  paused"
    assert "a look first" in shop.done(f"playhead invocations describe {ids[0]}")


def test_of_several_that_some_refuse_the_exit_code_is_6_and_of_none_it_is_that_of_the_refusal(shop: Shell) -> None:
    ids = send(shop, "a", "b")
    shop.done(f"playhead invocations kill {ids[0]}")
    said = shop.run(f"playhead invocations kill {ids[0]} {ids[1]} -o jsonl")
    assert said.code == 6
    first, second = (msgspec.json.decode(line) for line in said.out.splitlines())
    assert (first["error"], first["changed"]) == ("already_completed", False)
    assert (second["changed"], second["after"]) == (True, "completed")
    assert shop.run(f"playhead invocations kill {ids[0]} {ids[1]}").code == 3
    assert shop.run(f"playhead invocations kill {GONE}").code == 4


def test_all_that_fit_are_shown_first_and_asked_only_with_consent(shop: Shell) -> None:
    send(shop, "a", "b", "c")
    said = shop.run("playhead invocations cancel Waiter")
    assert said.code == 3
    assert said.out == ""
    assert "3 invocations where service = 'Waiter' and status <> 'completed'" in said.err
    assert "pass --yes" in said.err
    assert statuses(shop).count("cancelled") == 0
    dry = shop.run("playhead invocations cancel Waiter --dry-run -o id")
    assert (dry.code, len(dry.out.splitlines())) == (0, 3)
    assert statuses(shop).count("cancelled") == 0


def test_a_dry_run_shows_the_oldest_and_says_how_many_there_are_to_people_and_to_programs(shop: Shell) -> None:
    ids = send(shop, *"abcdefg")
    dry = shop.run("playhead invocations cancel Waiter --dry-run -o id")
    assert dry.out.split() == ids[:5]
    assert "7 invocations where" in dry.err
    assert "and 2 more" in dry.err
    preview = msgspec.json.decode(shop.done("playhead invocations cancel Waiter --dry-run -o json"))
    assert (preview["count"], [info["id"] for info in preview["sample"]]) == (7, ids[:5])


def test_all_that_fit_are_asked_by_a_job_that_can_be_looked_at(shop: Shell) -> None:
    ids = send(shop, "a", "b", "c")
    said = shop.done("playhead invocations cancel Waiter --yes --reason 'closing time'")
    job, state, *_ = said.split()
    assert (state, said.endswith("3 changed, 0 unchanged, 0 refused")) == ("done", True)
    assert statuses(shop) == ["cancelled"] * 3
    items = [msgspec.json.decode(line) for line in shop.done(f"playhead jobs items {job} -o jsonl").splitlines()]
    assert sorted(item["id"] for item in items) == sorted(ids)
    assert "closing time" in shop.done(f"playhead jobs show {job}")
    assert shop.run(f"playhead jobs cancel {job}").code == 3


def test_a_condition_and_a_target_are_taken_together_and_what_cannot_be_done_is_counted(shop: Shell) -> None:
    first, *_ = send(shop, "a", "b")
    shop.done(f"playhead invocations pause {first}")
    assert shop.done('playhead invocations resume Waiter --where "key is null" --yes').endswith(
        "1 changed, 0 unchanged, 0 refused"
    )
    refused = shop.run("playhead invocations restart Waiter --yes")
    assert refused.code == 3
    assert "2 refused" in refused.err
    job = refused.out.split()[0]
    assert len(shop.done(f"playhead jobs items {job} --refused -o id").splitlines()) == 2
    assert shop.run("playhead jobs follow " + job).code == 3


def test_a_selection_that_fits_nothing_says_so(shop: Shell) -> None:
    said = shop.run("playhead invocations purge Waiter --yes")
    assert (said.code, said.out) == (4, "")
    assert "0 invocations" in said.err
    for words in ("purge --where 'key is null'", "purge Waiter --dry-run", "cancel Waiter --where 1 --detach --yes"):
        assert shop.run(f"playhead invocations {words}").code == 4
    assert shop.run("playhead invocations cancel -").code == 4


def test_a_job_that_matched_nothing_when_it_ran_changed_nothing(shop: Shell) -> None:
    with actors.sync.connect(path=shop.folder / "playhead-data") as client:
        job = client.jobs.where("key = 'never used'").cancel()
        job.result()
    said = shop.run(f"playhead jobs follow {job.id}")
    assert (said.code, "nothing was done" in said.err) == (4, True)


def test_a_refusal_names_the_invocation_once(shop: Shell) -> None:
    shop.done("""playhead call Shop/a/sell '"tea"'""")
    of = shop.done("playhead invocations list -o id")
    said = shop.run(f"playhead invocations cancel {of}")
    assert (said.code, said.err.count(of)) == (3, 1)


def test_a_condition_cannot_reach_beyond_its_target(shop: Shell) -> None:
    send(shop, "a", "b", "c")
    for condition in ("false) or (true", "true) --", "handler = 'wait') or (status = 'suspended'"):
        said = shop.run(f'playhead invocations kill Waiter/another --where "{condition}" --yes')
        assert said.code == 2, said
    assert "killed" not in statuses(shop)


def test_a_condition_may_end_with_a_comment(shop: Shell) -> None:
    send(shop, "a", "b")
    assert shop.done('playhead invocations pause Waiter --where "true -- all" --yes').endswith(
        "2 changed, 0 unchanged, 0 refused"
    )


def test_an_error_in_a_condition_quotes_the_condition(shop: Shell) -> None:
    said = shop.run('playhead invocations kill Waiter --where "nope = 1" --yes')
    assert "no such column: nope" in said.err
    assert "at character 1: nope = 1\n" in said.err


MISTAKES = {
    "cancel": "pass one of",
    f"cancel {GONE} Waiter": "pass either ids",
    "cancel Waiter/a/b/c": "is not a selection",
    "cancel inv_1short": "not an invocation id",
    "cancel --where 'colour = 1' --yes": "no such column: colour",
    "restart Waiter --input 5": "invocation ids",
    "restart Waiter --from '' --yes": "omit --from",
    "export Waiter": "pass invocation ids",
    "list --watch": "needs a terminal",
}


def test_what_is_not_understood_is_a_usage_error(shop: Shell) -> None:
    for words, problem in MISTAKES.items():
        said = shop.run(f"playhead invocations {words}")
        assert said.code == 2, said
        assert problem in said.err, said


def test_a_signal_without_a_type_arrives_as_its_json(shop: Shell) -> None:
    shop.done("playhead send Waiter/wait_untyped")
    of = shop.done("playhead invocations list Waiter -o id")
    assert shop.done("playhead invocations list Waiter").endswith("ready to go")
    shop.done(f"""playhead invocations signal {of} go '[1, {{"a": 0.5}}]'""")
    assert shop.done(f"playhead invocations follow {of}").endswith("\"[1, {'a': 0.5}]\"")


def test_result_prints_what_a_call_would_have_printed(shop: Shell) -> None:
    shop.done("playhead send Waiter/wait_untyped")
    of = shop.done("playhead invocations list Waiter -o id")
    assert shop.run(f"playhead invocations result {of} --no-wait").code == 3
    shop.done(f"""playhead invocations signal {of} go '"now"'""")
    assert shop.done(f"playhead invocations result {of}") == "\"'now'\""
    shop.done("playhead send Waiter/wait_untyped")
    other = shop.done("playhead invocations list Waiter --status suspended -o id")
    shop.done(f"playhead invocations cancel {other}")
    assert shop.run(f"playhead invocations result {other}").code == 1
    shop.stop()
    assert shop.done(f"playhead invocations result {of}") == "\"'now'\""


def test_output_prints_texts_as_they_were_emitted_and_other_values_as_lines(shop: Shell) -> None:
    shop.done("""playhead call Waiter/recite '["one ", "two", "\\u001b[31m"]'""")
    of = shop.done("playhead invocations list Waiter -o id")
    assert shop.done(f"playhead invocations output {of}") == 'one two\\x1b[31m\n{"words":3}'
    assert shop.done(f"playhead invocations output {of} --live") == 'one two\\x1b[31m\n{"words":3}'
    assert shop.done(f"playhead invocations output {of} --after 3") == '{"words":3}'
    assert shop.done(f"playhead invocations output {of} --stream notes") == "done"
    pieces = [msgspec.json.decode(line) for line in shop.done(f"playhead invocations output {of} -o json").splitlines()]
    assert [(piece["step"], piece["attempt"], piece["offset"]) for piece in pieces] == [
        ("1", 1, 0),
        ("1", 1, 1),
        ("1", 1, 2),
        ("", 0, 0),
    ]


def test_a_restart_is_planned_then_done_from_a_step(shop: Shell) -> None:
    (first,) = send(shop, "ada")
    shop.done(f"playhead invocations signal {first} go '\"gone\"'")
    assert shop.done(f"playhead invocations follow {first}").endswith('"ada looked, gone"')
    plan = shop.run(f"playhead invocations restart {first} --dry-run")
    assert plan.code == 0
    assert "nothing was done" in plan.err
    assert "again" in plan.out
    assert len(statuses(shop)) == 1
    whole = shop.done(f"playhead invocations restart {first} --from end --dry-run")
    assert "kept       look (1), go (2)" in whole
    assert "again      nothing" in whole
    new = shop.done(f"playhead invocations restart {first} --input '\"bob\"' --reason again -o id")
    shop.done(f"playhead invocations signal {new} go '\"back\"'")
    assert shop.done(f"playhead invocations follow {new}").endswith('"bob looked, back"')
    assert f"repeats     {first} from the beginning" in shop.done(f"playhead invocations describe {new}")


def test_a_gate_holds_and_why_says_so(shop: Shell) -> None:
    assert shop.done("playhead gates close service:Waiter --reason 'the database is down'").endswith("open -> closed")
    (held,) = send(shop, "a")
    assert "held by service:Waiter: the database is down" in shop.done("playhead invocations list Waiter")
    assert "the database is down" in shop.done(f"playhead why {held}")
    shop.done("playhead gates close everything")
    said = shop.run("playhead gates open service:Waiter")
    assert said.out.strip().endswith("closed -> open")
    shop.done("playhead gates open everything")
    assert shop.done("playhead gates list -o json") == "[]"
    assert shop.run("playhead gates close service:Nothing").code == 4
    assert shop.run("playhead gates close half").code == 2


def test_fields_are_set_and_cleared_on_a_condition(shop: Shell) -> None:
    shop.done("""playhead call Shop/a/sell '{"what": "tea", "amount": 2}'""")
    said = shop.done("""playhead actors state set Shop/a owner='"ada"' 'stock["a=]b"]=3' --reason counted""")
    assert said.splitlines() == ['owner  changed  "nobody" -> "ada"', 'stock["a=]b"]  changed  null -> 3']
    assert shop.done("playhead actors state get Shop/a owner") == '"ada"'
    conflict = shop.run("""playhead actors state set Shop/a owner='"bob"' --if-version 1""")
    assert (conflict.code, "Read them again" in conflict.err) == (3, True)
    assert shop.run("playhead actors state set Shop/a owner=5").code == 2
    assert shop.run("playhead actors state set Shop/a owner").code == 2
    assert shop.run("playhead actors state get Shop/a stock").code == 2
    shop.done("""playhead actors state clear Shop/a owner 'stock["tea"]'""")
    assert shop.done("playhead actors items Shop/a stock -o id") == '"a=]b"'
    history = shop.done("playhead actors history Shop/a owner -o jsonl").splitlines()
    assert [msgspec.json.decode(line)["value"] for line in history] == ["ada", "nobody"]
    newest = shop.run("playhead actors history Shop/a owner --newest-first --limit 1 -o jsonl")
    assert msgspec.json.decode(newest.out)["value"] == "nobody"
    number = msgspec.json.decode(newest.out)["number"]
    assert f"1 shown; more exist: --all, or --before {number}" in newest.err
    older = shop.done(f"playhead actors history Shop/a owner --newest-first --before {number} -o jsonl")
    assert msgspec.json.decode(older)["value"] == "ada"
    assert shop.done("playhead actors delete Shop/a --reason closed") == "Shop/a  deleted, with 5 ended invocations"
    assert shop.done("playhead actors delete Shop/a -o json") == '{\n  "changed": false,\n  "invocations": 0\n}'
    assert "there is no such object" in shop.done("playhead actors delete Shop/a")


def test_describe_ends_with_the_error_and_its_traceback_from_the_users_line_on(shop: Shell) -> None:
    shop.run("playhead call Waiter/stumble")
    described = shop.done(f"playhead invocations describe {shop.done('playhead invocations list Waiter -o id')}")
    error = described.partition("\nerror\n")[2].splitlines()
    assert error[0] == "  Traceback (most recent call last):"
    assert 'shop.py", line' in error[1]
    assert error[-1] == "  ValueError: a stone"


def test_one_signal_goes_to_all_that_a_condition_fits(shop: Shell) -> None:
    ids = send(shop, "ada", "bob", "cy")
    said = shop.run("playhead invocations signal --where \"awaited_signal = 'go'\" go '\"on\"' --yes")
    assert (said.code, "3 changed" in said.out) == (0, True), said
    for of in ids:
        assert shop.done(f"playhead invocations follow {of}").endswith('looked, on"')
    (other,) = send(shop, "dan")
    shop.done(f"playhead invocations signal {other} go 3 --error 'too late'")
    ended = shop.run(f"playhead invocations result {other}")
    assert (ended.code, "too late" in ended.err) == (1, True), ended
    assert shop.run("playhead invocations signal --where 1 go 1 2").code == 2
    assert shop.run("playhead invocations signal Waiter").code == 2


def test_a_delayed_one_is_moved_and_then_started_now(shop: Shell) -> None:
    replaced = shop.done("playhead send Waiter/wait '\"early\"' --delay 2h --debounce late")
    sent = shop.done("playhead send Waiter/wait '\"late\"' --delay 1d --debounce late --max-delay 3d")
    assert f"{sent} was sent under the same debounce key" in shop.done(f"playhead invocations describe {replaced}")
    assert shop.done(f"playhead invocations reschedule {sent} --at 2100-01-01T08:00").endswith("changed  scheduled")
    assert "2100-01-01" in shop.done(f"playhead invocations describe {sent}")
    assert shop.run(f"playhead invocations reschedule {sent} --at noon").code == 2
    assert shop.run(f"playhead invocations reschedule {sent} --at 2100-01-01 --delay 2h").code == 2
    shop.done("playhead invocations reschedule Waiter --yes")
    shop.done(f"playhead invocations signal {sent} approved true")
    refused = shop.run(f"playhead invocations reschedule {sent}")
    assert refused.code == 3

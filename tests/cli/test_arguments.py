"""What is typed before anything is asked: nothing at all, bytes that are no text, and streams that cannot show a character."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import click
import pytest

from cli.exit_codes import Exit
from cli.main import COMMANDS, main
from cli.render.output import err, escape_what_streams_cannot_show, out_json, safe
from cli.targets import parse_argument, parse_object, parse_target, written_object, written_target
from journal.events import Target
from tests.children import python_path
from tests.terminal import ROOT

if TYPE_CHECKING:
    from pathlib import Path


def type_in(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """Run the command in this process; its exit code."""
    monkeypatch.setattr(sys, "argv", ["playhead", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    assert isinstance(ended.value.code, int)
    return ended.value.code


GROUPS = [
    (),
    ("actors",),
    ("actors", "state"),
    ("cluster",),
    ("context",),
    ("deployments",),
    ("gates",),
    ("invocations",),
    ("jobs",),
    ("journal",),
    ("limits",),
    ("schedules",),
    ("notifications",),
    ("tokens",),
]


@pytest.mark.parametrize("words", GROUPS, ids=" ".join)
def test_a_group_without_a_command_prints_its_help(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert type_in(monkeypatch, *words) == Exit.USAGE
    bare = capsys.readouterr().err
    assert type_in(monkeypatch, *words, "--help") == Exit.DONE
    assert bare == capsys.readouterr().out
    assert bare.splitlines()[0].startswith(" ".join(("Usage: playhead", *words, "[OPTIONS]")))


@pytest.mark.parametrize(
    "words",
    [
        ("call", "Shop/{}/sell"),
        ("call", "Shop/a/sell", "{}"),
        ("send", "Shop/{}/sell", "5"),
        ("invocations", "list", "{}"),
        ("invocations", "cancel", "Shop", "--reason", "{}"),
        ("invocations", "signal", "Shop/a", "{}", "1"),
        ("actors", "show", "Shop/{}"),
        ("actors", "state", "set", "Shop/a", "owner={}"),
        ("gates", "close", "{}"),
        ("tokens", "create", "{}"),
        ("sql", "select '{}'"),
        ("context", "use", "{}", "--url", "http://127.0.0.1:1"),
        ("serve", "{}.py"),
        ("services", "--data", "{}"),
        ("{}",),
    ],
    ids=" ".join,
)
def test_an_argument_that_is_not_utf8_is_refused(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    word = os.fsdecode(b"caf\xe9")
    assert type_in(monkeypatch, *(part.replace("{}", word) for part in words)) == Exit.USAGE
    said = capsys.readouterr()
    number = next(number for number, part in enumerate(words, 1) if "{}" in part)
    assert said.err.startswith(f"Error: argument {number} is not UTF-8")
    assert said.out == ""


NO_DURATIONS = ("nan", "inf", "-1", "1e300", "soon", "")


@pytest.mark.parametrize("value", NO_DURATIONS)
@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--retention", ("serve", "app.py")),
        ("--drain", ("serve", "app.py")),
        ("--drain", ("dev", "app.py")),
        ("--kill-after", ("invocations", "cancel", "Shop")),
        ("--delay", ("send", "Shop/a/sell")),
        ("--rate", ("invocations", "kill", "--where", "true")),
    ],
)
def test_an_option_that_is_no_time_or_rate_is_refused_by_its_name(
    option: str, words: tuple[str, ...], value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert type_in(monkeypatch, *words, f"{option}={value}") == Exit.USAGE
    assert f"Invalid value for '{option}'" in capsys.readouterr().err


def test_a_drain_of_more_than_a_day_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert type_in(monkeypatch, "serve", "app.py", "--drain", "25h") == Exit.USAGE
    assert "at most 86400 seconds" in capsys.readouterr().err


@pytest.mark.parametrize("end", ["raise SystemExit(0)", "raise KeyError('a')", "raise GeneratorExit"])
def test_an_app_that_raises_while_it_is_imported_is_not_served(end: str, tmp_path: Path) -> None:
    (tmp_path / "ending_app.py").write_text(end)
    command = [sys.executable, "-m", "playhead", "serve", "ending_app.py", "--port", "0"]
    ran = subprocess.run(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": python_path(ROOT)}, capture_output=True, text=True
    )
    assert (ran.returncode, ran.stdout) == (Exit.USAGE, "")
    assert "importing ending_app.py failed" in ran.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("call", "Shop/%FF/sell"),
        ("send", "Shop/%ED%A0%80/sell"),
        ("invocations", "list", "Shop/caf%E9"),
        ("actors", "show", "Shop/%FF"),
    ],
    ids=" ".join,
)
def test_a_key_that_is_not_utf8_percent_encoded_is_refused(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert type_in(monkeypatch, *words) == Exit.USAGE
    assert "is not UTF-8" in capsys.readouterr().err


def test_a_value_from_stdin_that_is_not_utf8_is_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'"caf\xe9"'), encoding="utf-8"))
    assert type_in(monkeypatch, "call", "Shop/a/sell", "-") == Exit.USAGE
    assert "stdin is not UTF-8" in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-8"])  # of ASCII click makes UTF-8 by itself
def test_a_character_that_a_stream_lacks_is_escaped(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    written, remarked = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(remarked, encoding=encoding))
    escape_what_streams_cannot_show()
    value = {"name": "Zoë 茶 👩‍👧 …"}
    out_json(value)
    err(value["name"])
    sys.stdout.flush()
    sys.stderr.flush()
    assert json.loads(written.getvalue().decode(encoding)) == value
    assert remarked.getvalue().decode(encoding).startswith("Zo")


def test_a_message_of_several_lines_stays_one_message(capsys: pytest.CaptureFixture[str]) -> None:
    err("inv_1 replays differently.\n  recorded:  step 'a'\nplayhead: forged\x1b[2J")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["inv_1 replays differently.", "    recorded:  step 'a'", "  playhead: forged\\x1b[2J"]


def test_a_usage_error_of_several_lines_stays_one_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_understood(**_: object) -> None:
        raise click.UsageError("not understood:\n  'a'\nError: forged\x1b[2J")

    monkeypatch.setattr("cli.main.root", not_understood)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == Exit.USAGE
    assert capsys.readouterr().err.splitlines() == [
        "Error: not understood:",
        "    'a'",
        "  Error: forged\\x1b[2J",
    ]


def test_every_group_is_tried() -> None:
    import importlib

    named = {
        name
        for name, (module, _) in COMMANDS.items()
        if isinstance(importlib.import_module(module).command, click.Group)
    }
    assert named == {words[0] for words in GROUPS if words}


@pytest.mark.parametrize(
    "key", ["a", "a/b", "50%", "line\nfeed", "\x1b[2J", "\u202eevil", "sp ace", "\x00", "é", "%0A"]
)
def test_what_is_shown_of_a_key_can_be_typed_back(key: str) -> None:
    shown = written_object("Shop", key)
    assert shown == safe(shown)
    assert parse_object(shown) == ("Shop", key)
    target = Target("Shop", key, "sell")
    assert parse_target(written_target(target)) == target


def test_an_argument_that_the_locale_cannot_read_names_what_to_set() -> None:
    environment = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    said = subprocess.run(
        [sys.executable, "-m", "playhead", "actors", "show", "Shop/é".encode()], env=environment, capture_output=True
    )
    assert said.returncode == Exit.USAGE
    assert b"PYTHONUTF8=1" in said.stderr


def test_json_from_stdin_is_utf_8_in_any_locale() -> None:
    stdin = io.TextIOWrapper(io.BytesIO('"é"'.encode()), encoding="ascii", errors="surrogateescape")
    assert parse_argument("-", stdin) == '"é"'.encode()


@pytest.mark.parametrize("words", [("--help",), ("sql", "--help"), ("completion", "bash")], ids=" ".join)
def test_a_reader_that_has_enough_ends_a_command_as_sigpipe_does(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed:
        monkeypatch.setattr(sys, "stdout", closed)
        assert type_in(monkeypatch, *words) == Exit.OUTPUT_CLOSED
    assert capfd.readouterr().err == ""

"""The door: what ``--help`` costs, which server is meant, and what shells complete."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner

from actors import runtime
from actors.control import jobs
from actors.http import token_path
from actors.http.client import liveness
from actors.http.routes import TokenScope
from cli import constants
from cli.exit_codes import Exit
from cli.main import COMMANDS, root
from journal.events import Status
from tests.children import python_path
from tests.cli.shell import Shell
from tests.cli.shell import shell as opened_shell
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEAVY = (
    "trio",
    "attrs",
    "msgspec",
    "cattrs",
    "httpx2",
    "h11",
    "rich",
    "rocksdict",
    "apsw",
)
"""What makes a command start slowly."""


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with opened_shell(tmp_path) as opened:
        yield opened


_EVERY_HELP = f"""
import sys
import click
from cli.main import root

def show(command, name, parent):
    print(f"# {{name}}")
    command.main(["--help"], name, standalone_mode=False, parent=parent)
    if isinstance(command, click.Group):
        with click.Context(command, parent, name) as context:
            for below in command.list_commands(context):
                show(command.get_command(context, below), f"{{name}} {{below}}", None)

show(root, "playhead", None)
print([m for m in (*{HEAVY}, "actors", "journal") if m in sys.modules], file=sys.stderr)
"""


def test_no_help_loads_anything_that_a_command_needs() -> None:
    ran = subprocess.run([sys.executable, "-c", _EVERY_HELP], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ran.stderr.strip() == "[]"
    for name, (_, about) in COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(about[:20])}", ran.stdout, re.MULTILINE), name
    assert ran.stdout.count("Usage: ") == ran.stdout.count("\n# ") + 1 > 2 * len(COMMANDS)


def test_words_that_help_shows_are_those_of_the_project() -> None:
    assert tuple(status.value for status in Status) == constants.STATUSES
    assert tuple(scope.value for scope in TokenScope) == constants.SCOPES
    assert (constants.URL_VARIABLE, constants.TOKEN_VARIABLE) == (token_path.URL_VARIABLE, token_path.TOKEN_VARIABLE)
    assert constants.ANSWER_SECONDS == liveness.ANSWER_SECONDS
    assert constants.RETENTION_SECONDS == runtime.RETENTION_SECONDS
    assert (constants.SLOWEST_RATE, constants.FASTEST_RATE) == (jobs.SLOWEST, jobs.FASTEST)


def test_every_command_has_help_that_begins_with_a_sentence(shell: Shell) -> None:
    for name in COMMANDS:
        said = shell.done(f"playhead {name} --help")
        assert said.startswith(f"Usage: playhead {name}")
        assert re.search(r"\n\n  [A-Z].*", said), name


def test_a_context_names_a_server_and_is_kept_from_others(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.start(data="far")
    url = json.loads((shell.folder / "far" / "ADDRESS").read_text())["url"]
    assert shell.run("playhead services").code == 4  # there is no data directory here
    token = (shell.folder / "far" / "token").read_text().strip()
    shell.done(f"playhead context use far --url {url} --token -", token)
    assert "Waiter" in shell.done("playhead services")
    kept = shell.folder / "config" / "playhead" / "contexts.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    for command in ("list", "list -o wide", "list -o json", "show"):
        assert token not in shell.done(f"playhead context {command}")
    assert shell.done("playhead context show") == f"far  {url}"
    shell.done("playhead context use --none")
    assert shell.run("playhead services").code == 4  # there is no data directory here
    assert "Waiter" in shell.done("playhead services --context far")
    monkeypatch.setenv("PLAYHEAD_CONTEXT", "far")
    assert "Waiter" in shell.done("playhead services")
    monkeypatch.delenv("PLAYHEAD_CONTEXT")
    assert shell.run("playhead services --context near").code == 2
    assert shell.run("playhead context use near").code == 2
    shell.done("playhead context forget far")
    assert shell.done("playhead context list -o json") == "[]"


def test_a_server_that_does_not_answer_is_no_server_or_leaves_the_outcome_unknown(shell: Shell) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        to = f"--url http://127.0.0.1:{silent.getsockname()[1]} --token x"
        assert shell.run(f"playhead --timeout 0.1 services {to}").code == Exit.UNAVAILABLE
        assert shell.run(f"playhead --timeout 0.1 call Shop/a/sell {to}").code == Exit.UNKNOWN


def test_a_context_keeps_the_ca_of_its_server(shell: Shell) -> None:
    (shell.folder / "ca.pem").write_text("no certificate")
    shell.done("playhead context use far --url https://127.0.0.1:1 --token x --ca ca.pem")
    shell.done("playhead context use far --token y")
    said = shell.run("playhead services")
    assert (said.code, "ca.pem" in said.err) == (Exit.USAGE, True)


def test_a_data_directory_that_is_named_comes_before_the_context_in_use(shell: Shell) -> None:
    shell.done("playhead context use far --url http://127.0.0.1:9")
    assert shell.run("playhead services").code == 5
    shell.start()
    assert "Waiter" in shell.done("playhead services --data playhead-data")


def test_the_token_of_a_directory_goes_to_its_own_server_only(shell: Shell) -> None:
    shell.start()
    shell.start(data="far")
    near, far = (json.loads((shell.folder / data / "ADDRESS").read_text())["url"] for data in ("playhead-data", "far"))
    assert "Waiter" in shell.done(f"playhead services --url {near}")
    denied = shell.run(f"playhead services --url {far}")
    assert (denied.code, "no valid token" in denied.err) == (3, True)


def test_a_list_of_commands_is_wrapped_and_never_cut_in_a_narrow_terminal() -> None:
    shown = CliRunner().invoke(root, ["invocations", "--help"], terminal_width=40, max_content_width=40).output
    listed = shown.partition("Commands:")[2]
    assert "..." not in listed
    assert "retry backing-off ones now" in " ".join(listed.split())


def test_completion_scripts_name_the_command(shell: Shell) -> None:
    for name in ("bash", "zsh", "fish"):
        assert "_PLAYHEAD_COMPLETE" in shell.done(f"playhead completion {name}")


def test_a_shell_completes_commands_statuses_and_services(shop: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def completed(words: str) -> set[str]:
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
        monkeypatch.setenv("_PLAYHEAD_COMPLETE", "bash_complete")
        said = shop.done("playhead")
        return {line.partition(",")[2] for line in said.splitlines()}

    assert {"invocations"} == completed("playhead inv")
    assert {"paused"} == completed("playhead invocations list --status pau")
    # The shell waits two seconds for the names that a server knows, which a busy machine may exceed.
    assert {"Waiter"} in (completed("playhead invocations cancel Wai") for _ in range(10))


def test_on_a_terminal_a_list_is_watched_in_place_and_in_colours_unless_they_are_not_wanted(shop: Shell) -> None:
    shop.done("""playhead call Shop/a/sell '{"what": "tea"}'""")
    command = [
        sys.executable,
        "-m",
        "playhead",
        "invocations",
        "list",
        "--watch",
        "--data",
        str(shop.folder / "playhead-data"),
    ]
    seen = on_a_terminal(command, until="succeeded")
    assert "\x1b[H" in seen
    assert "\x1b[32msucceeded" in seen
    assert "\x1b[32m" not in on_a_terminal(command, until="succeeded", NO_COLOR="1")


def on_a_terminal(command: list[str], *, until: str, **variables: str) -> str:
    """What a command shows a person, up to a word."""
    ours, theirs = pty.openpty()
    environment = {name: text for name, text in os.environ.items() if name != "NO_COLOR"}
    environment |= {"PYTHONPATH": python_path(ROOT), "TERM": "xterm", "COLUMNS": "200"} | variables
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    seen = b""
    try:
        while until.encode() not in seen or not seen.endswith(b"\x1b[J"):
            assert select.select([ours], [], [], 30)[0], seen
            seen += os.read(ours, 4096)
    finally:
        process.terminate()
        process.wait()
        os.close(ours)
    return seen.decode()

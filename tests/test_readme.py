"""The README is true: its programs and commands run in an empty folder, and what it names exists."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import attrs
import msgspec
import pytest
import trio

import actors
from actors import errors
from cli.main import COMMANDS
from tests.terminal import ROOT, Terminal, terminal
from tests.virtual import on_virtual_time

README = (ROOT / "README.md").read_text()
REMOTE_CONTROL = (ROOT / "docs" / "remote-control.md").read_text()
"""The page that continues the README's commands."""

BOTH = f"{README}\n{REMOTE_CONTROL}"


@attrs.frozen
class Block:
    """A fenced block: its language, and its lines."""

    language: str
    lines: tuple[str, ...]


def blocks(text: str = README) -> list[Block]:
    found = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(language, tuple(text.splitlines())) for language, text in found]


def test_its_programs_and_commands_do_what_it_says(tmp_path: Path) -> None:
    expected = 0
    with terminal(tmp_path) as shell:
        for block in blocks(BOTH):
            if block.language == "python":
                name = block.lines[0].removeprefix("# ")
                code = "\n".join(block.lines) + "\n"
                # A person types `kill -9` before the first two steps end; a busy machine may take longer.
                slower = 'trio.sleep(10 if topic in ("tides", "moons") else 2)\n    return f"notes'
                code = code.replace('trio.sleep(2)\n    return f"notes', slower)
                (shell.folder / name).write_text(code)
            elif block.language == "sh":
                for line in block.lines:
                    expected += _type(shell, line)
            elif block.lines[0].startswith("2  "):
                _compare_history(shell, block)
    assert expected >= 5


@on_virtual_time
async def test_its_approval_says_decided_once_although_it_leaves_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [lines] = [block.lines for block in blocks() if block.lines[0] == "# leaving.py"]
    (tmp_path / "leaving.py").write_text("\n".join(lines) + "\n")
    monkeypatch.syspath_prepend(tmp_path)
    approval = importlib.import_module("leaving").Approval
    async with actors.open_runtime(approval, durability="memory") as runtime:
        asked = await runtime.client.service(approval).ask.send("a plan")
        await trio.sleep(3600)
        assert (await asked.info()).status is actors.Status.SUSPENDED
        assert "decided" not in capsys.readouterr().out
        await asked.signal("approved", True)
        assert await asked.result() is True
    assert capsys.readouterr().out == "a plan: asked\na plan: decided\n"


def _type(shell: Terminal, line: str) -> int:
    """Type it; whether something was expected of its output."""
    if "control.py" in line:
        # The port is any that is free, where the README has the usual one.
        url = msgspec.json.decode((shell.folder / "playhead-data" / "ADDRESS").read_bytes())["url"]
        line = f"PLAYHEAD_URL={url} {line}"
    if " -m pytest " in line:
        # Of the plugins that are installed for these tests, none is needed, and they take longer to import than the tests take.
        line = f"PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 {line}"
    command, _, answer = line.partition("# -> ")
    printed = shell.done(command)
    if not answer:
        return 0
    answers = answer.split(", then ")
    assert [line.strip('"') for line in printed.splitlines()[-len(answers) :]] == answers, (line, printed)
    return 1


def _compare_history(shell: Terminal, block: Block) -> None:
    """The same events, in words. Steps that run side by side, and the signal, may come in any order; times differ, and so does whether
    the signal finds a wait, as it comes before or after the steps have ended."""
    printed = shell.done("playhead invocations follow $report").splitlines()
    assert sorted(map(_what, printed)) == sorted(map(_what, block.lines))


def _what(line: str) -> str:
    what = re.sub(r"^\d+ +\+[\d.]+s +", "", line).rstrip()
    assert what != line, line
    return re.sub(r"^(SignalReceived .*), (kept until|taken by) .*", r"\1", what)


def test_two_commands_do_all_set_up_and_the_second_is_what_is_run_on_every_change() -> None:
    commands = [line for block in blocks() if block.language == "bash" for line in block.lines]
    assert len(commands) == 2
    demo, checks = commands
    assert demo.endswith(".venv/bin/playhead demo")
    assert checks.endswith(".venv/bin/python -m tests")
    assert (ROOT / ".ci" / "run").read_text().splitlines()[-1] == checks


def test_every_error_that_it_names_exists() -> None:
    named = set(re.findall(r"`(?:actors\.)?(\w+Error|Store\w+)`", BOTH))
    assert len(named) > 15
    unknown = [name for name in named if not hasattr(errors, name)]
    assert unknown == []


def test_every_verb_that_it_names_exists() -> None:
    named = set(re.findall(r"`(?:async with |await )?actors\.(\w+)[`(]", BOTH))
    assert named
    assert named <= {*actors.__all__, *actors._NAMESPACES}


def test_every_command_that_it_names_exists() -> None:
    named = set(re.findall(r"(?:^|`|\(|bin/)playhead ([a-z]+)", BOTH, re.MULTILINE))
    assert len(named) > 4
    assert named <= set(COMMANDS)


def test_every_file_that_it_links_to_exists() -> None:
    links = re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
    links = re.findall(r"\]\(([\w./-]+)(?:#[\w-]+)?\)", REMOTE_CONTROL)
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []


def test_every_heading_that_it_links_to_exists() -> None:
    headings = re.findall(r"^##+ (.+)$", README, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    links = set(re.findall(r"\]\((?:\.\./README\.md)?#([\w-]+)\)", BOTH))
    assert len(links) > 10
    assert links - anchors == set()


def test_every_deep_profile_that_it_names_is_read_by_the_tests_that_it_names() -> None:
    profiles = re.findall(r"`([A-Z_]+)=\d+ python -m pytest ([\w./]+)`", README)
    assert len(profiles) >= 3
    for variable, path in profiles:
        files = [ROOT / path] if path.endswith(".py") else sorted((ROOT / path).glob("*.py"))
        assert any(f'"{variable}"' in file.read_text() for file in files), (variable, path)


def test_every_test_that_it_names_exists() -> None:
    paths = re.findall(r"(?<![\w/])tests/[\w/]+(?:\.\w+)?", README)
    assert len(paths) > 5
    assert [path for path in paths if not (ROOT / path).exists()] == []

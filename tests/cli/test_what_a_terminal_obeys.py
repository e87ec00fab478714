"""Nothing that a user put into a key, a value, a reason, a name or an error reaches a terminal as a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from tests.cli.shell import shell as opened_shell

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.shell import Shell

EVIL = "\x1b]0;owned\x07\x1b[2J\r\n\x9b31m\u202eevil\u2066\x7f\x00"
"""Sets the window's title, clears the screen, goes back in the line, turns text round."""

APP = '''
import actors
from actors import Actor, Log, Map, Service, handler

class Shop(Actor):
    owner: str = "nobody"
    stock: Map[str, int]
    sales: Log[str]

    @handler
    async def sell(self, what: str) -> str:
        """\\x1b[2J sells"""
        self.owner = what
        self.sales.append(what)
        self.stock[what] = 1
        actors.emit(what)
        return what

class Broken(Service):
    @handler
    async def fail(self, what: str) -> str:
        raise actors.TerminalError(what)

    @handler
    async def wait(self, what: str) -> str:
        return await actors.signal(what, str)
'''

COMMANDS = (
    "invocations list",
    "invocations list --system",
    *(f"invocations describe {of}" for of in ("$sold", "$broken", "$waiting", "$held")),
    *(f"invocations events {of}" for of in ("$sold", "$broken", "$waiting")),
    "invocations follow $sold",
    "invocations output $sold",
    "invocations output $sold --live -o json",
    "invocations export $sold $waiting",
    "invocations restart $waiting --dry-run --stop kill",
    "invocations cancel Broken --dry-run",
    "why $waiting",
    "why $held",
    "actors list",
    'actors show "$object"',
    'actors items "$object" stock',
    'actors items "$object" sales',
    'actors history "$object" owner',
    'actors state get "$object"',
    'actors state get "$object" owner',
    """actors state set "$object" 'owner="ada"'""",
    """actors delete "$object" """,
    "services",
    "services Shop",
    "gates list",
    "jobs list",
    "jobs show $job",
    "jobs items $job",
    "audit",
    "sql 'select * from sys_invocation'",
    "sql 'select * from sys_journal'",
    "sql 'select * from sys_output'",
    "sql 'select * from sys_state'",
    "deployments list",
)
AT_REST = (
    "invocations ",
    "actors list",
    "actors show",
    "actors items",
    "actors history",
    "actors state get",
    "audit",
    "sql",
)


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    with opened_shell(tmp_path) as opened:
        app, words, evil = opened.folder / "app.py", opened.variables, EVIL.replace("\x00", "")
        app.write_text(APP)
        words |= {"EVIL": evil, "object": f"Shop/{evil}", "JSON": msgspec.json.encode(EVIL).decode()}
        opened.start(app)
        opened.done('playhead call "$object/sell" "$JSON"')
        words["sold"] = opened.done("playhead invocations list Shop -o id")
        words["broken"] = opened.done('playhead send Broken/fail "$JSON"')
        words["waiting"] = opened.done('playhead send Broken/wait "$JSON"')
        opened.done('playhead invocations pause $waiting --reason "$EVIL"')
        words["job"] = opened.done('playhead invocations resume Broken --yes --reason "$EVIL" -o id')
        opened.done('playhead invocations pause $waiting --reason "$EVIL"')
        opened.done('playhead gates close "key:Shop/$EVIL" --reason "$EVIL"')
        words["held"] = opened.done('playhead send "$object/sell" "$JSON"')
        yield opened


def obeyed(text: str) -> set[str]:
    """What of it a terminal would take for a command."""
    return {character for character in text if character in EVIL and not character.isascii()} | {
        character for character in text if character in "\x1b\x07\r\x7f\x00"
    }


def forms_of(command: str) -> tuple[str, ...]:
    """Those that show it in ways of their own: wide has all columns, json escapes as jsonl does."""
    if command.startswith(
        ("invocations list", "actors items", "actors history", "gates list", "jobs list", "jobs items")
    ):
        return ("wide", "jsonl", "id")
    if command.startswith(("actors state get", "invocations export", "invocations restart", "invocations cancel")):
        return ("",)
    return ("table",)


def check(shell: Shell, command: str) -> None:
    for output in forms_of(command):
        said = shell.run(f"playhead {command}" + (f" -o {output}" if output else ""))
        assert said.code in (0, 3), said
        assert obeyed(said.out) == obeyed(said.err) == set(), said


def test_no_command_prints_it(shell: Shell) -> None:
    for command in COMMANDS:
        check(shell, command)
    assert "evil" in shell.done("playhead invocations list"), "it was there to be seen"
    shell.stop()
    for command in (command for command in COMMANDS if command.startswith(AT_REST)):
        if not command.startswith(
            ("invocations follow", "invocations restart", "invocations cancel", "actors state set")
        ):
            check(shell, command)


def test_what_is_not_understood_is_shown_safely_too(shell: Shell) -> None:
    for command in (
        'invocations describe "$EVIL"',
        'invocations list "a/b/c/$EVIL"',
        'invocations cancel --where "$EVIL" --yes',
        'actors show "$EVIL"',
        'actors state set "$object" "$EVIL"',
        'actors state set "$object" "owner=$EVIL"',
        'actors state get "$object" "$EVIL"',
        'gates close "$EVIL"',
        'services "$EVIL"',
        'jobs show "$EVIL"',
        'context use "$EVIL"',
        'call "$EVIL" 5',
        'sql "$EVIL"',
        'why "$EVIL"',
    ):
        said = shell.run(f"playhead {command}")
        assert said.code in (2, 3, 4), said
        assert obeyed(said.out) == obeyed(said.err) == set(), said

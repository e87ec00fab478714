"""Tokens and the audit: a process that dies between the two leaves none without the other once it is served again."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import subprocess
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.testing

from actors.errors import UnavailableError
from actors.http.own_token import Grant, make_token
from actors.http.routes import TokenScope
from actors.http.server.token_routes import create, revoke, settle
from actors.http.tokens import TokenBook
from actors.query.audit import AuditEntry, AuditPage
from actors.rows.audit import ControlAction, Principal
from journal.errors import DirectoryLost
from journal.kv.small_files import seal
from journal.log.open import open_journal
from tests.raising import raises
from tests.terminal import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from tests.cli.shell import Shell

ADA = Principal("token:ada", "10.0.0.1:1")
DIES = {
    "before the audit is told": "cli.offline_audit.note_at_rest = die",
    "before the file forgets what it owed": "TokenBook.settle = die",
}
_DYING = """
import os, sys
from pathlib import Path
import cli.offline_audit
from cli.commands import tokens
from actors.http.tokens import TokenBook
def die(*_, **__):
    os._exit(9)
{where}
tokens.{deed}, data=Path(sys.argv[1]))
"""


def dying(data: Path, deed: str, where: str) -> None:
    """Change tokens in a process that dies on the way."""
    code = _DYING.format(deed=deed, where=DIES[where])
    assert subprocess.run([sys.executable, "-c", code, str(data)], cwd=ROOT).returncode == 9


def noted(shell: Shell) -> list[tuple[str, str, str, bool]]:
    """What the audit says of tokens, oldest first."""
    entries = json.loads(shell.done("playhead audit -o json"))
    found = [(e["verb"], e["target"], e["reason"], e["changed"]) for e in entries if e["target"].startswith("token:")]
    return found[::-1]


@pytest.mark.parametrize("where", DIES)
def test_a_token_whose_maker_died_is_in_the_audit_once_when_it_is_served_again(stopped: Shell, where: str) -> None:
    data = stopped.folder / "playhead-data"
    dying(data, "create.callback(name='ops', scope='read', reason='for the graphs'", where)
    assert [token.name for token in TokenBook(data).named()] == ["ops"]
    for _ in range(2):
        stopped.start()
        assert noted(stopped) == [("create-token", "token:ops", "for the graphs", True)]
        stopped.stop()
    assert TokenBook(data).owed() == []


@pytest.mark.parametrize("where", DIES)
def test_a_revoked_token_opens_nothing_although_its_revoker_died(stopped: Shell, where: str) -> None:
    data = stopped.folder / "playhead-data"
    secret = stopped.done("playhead tokens create ops --scope read")
    assert TokenBook(data).grant_of(secret) is not None
    dying(data, "revoke.callback(name='ops', reason='it leaked'", where)
    assert TokenBook(data).grant_of(secret) is None
    assert stopped.done("playhead tokens list -o id") == ""
    stopped.done("playhead tokens create ops --scope admin")
    assert noted(stopped) == [
        ("create-token", "token:ops", "", True),
        ("revoke-token", "token:ops", "it leaked", True),
        ("create-token", "token:ops", "", True),
    ]
    assert TokenBook(data).owed() == []


@attrs.define
class Full:
    """An audit on a disk that may be full."""

    who: Principal = ADA
    is_full: bool = False
    told: list[tuple[str, str, str, str]] = attrs.field(factory=list)
    requests: list[str | None] = attrs.field(factory=list)

    def acting_as(self, by: str, source: str) -> Full:
        return Full(Principal(by, source), self.is_full, self.told, self.requests)

    async def note(self, act: ControlAction, *, refusal: str = "") -> None:
        if self.is_full:
            raise UnavailableError("the disk is full")
        self.told.append((self.who.by, act.verb, act.detail, act.reason))
        self.requests.append(act.request)

    async def audit(self, *, verb: str, target: str, limit: int, after: str | None) -> AuditPage:
        empty: dict[str, Any] = {field.name: "" for field in attrs.fields(AuditEntry)}
        return AuditPage(entries=[AuditEntry(**{**empty, "request": request}) for request in self.requests])


async def test_a_token_is_revoked_on_a_full_disk_and_audited_later(
    tmp_path: Path,
) -> None:
    book, auditor = TokenBook(tmp_path), Full(is_full=True)
    with pytest.raises(UnavailableError):
        await create(book, "ops", TokenScope.READ, "", auditor)
    with pytest.raises(UnavailableError):
        await revoke(book, "ops", "it leaked", auditor)
    assert book.named() == []
    await settle(book, auditor)
    assert auditor.told == []
    there_is_room = Full(Principal("user:me", "process"), told=auditor.told, requests=auditor.requests)
    for _ in range(2):
        await settle(book, there_is_room)
        assert auditor.told == [
            ("token:ada", "create-token", "scope read, noted later", ""),
            ("token:ada", "revoke-token", "noted later", "it leaked"),
        ]
    assert book.owed() == []


def test_an_empty_file_lets_nobody_in_and_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "token").touch(mode=0o600)
    assert TokenBook(tmp_path).grant_of("") is None
    assert len(make_token(tmp_path)) > 40


def test_a_first_start_that_dies_makes_a_whole_token_or_none(tmp_path: Path) -> None:
    code = (
        "import os, sys, pathlib\nfrom actors.http.own_token import make_token\n"
        "os.link = lambda *_: os._exit(9)\nmake_token(pathlib.Path(sys.argv[1]))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT).returncode == 9
    assert not (tmp_path / "token").exists()
    token = make_token(tmp_path)
    assert len(token) > 40
    assert make_token(tmp_path) == token
    assert (tmp_path / "token").stat().st_mode & 0o777 == 0o600


def damaged(data: Path, how: str) -> None:
    kept = data / "TOKENS"
    good = kept.read_bytes()
    match how:
        case "cut":
            kept.write_bytes(good[: len(good) // 2])
        case "empty":
            kept.write_bytes(b"")
        case "raised by an editor":
            kept.write_bytes(good.replace(b'"read"', b'"admin"'))
        case "another scope":
            kept.write_bytes(good.replace(b'"read"', b'"root"'))
        case "no text":
            kept.write_bytes(b"\xff\xfe" * 100)
        case "no list":
            kept.write_bytes(seal(b'{"tokens":7}'))
        case "a link":
            kept.rename(data / "aside")
            kept.symlink_to(data / "aside")
        case "a directory":
            kept.unlink()
            kept.mkdir()
        case "a pipe":
            kept.unlink()
            os.mkfifo(kept)


DAMAGES = [
    "cut",
    "empty",
    "raised by an editor",
    "another scope",
    "no text",
    "no list",
    "a link",
    "a directory",
    "a pipe",
]


@pytest.mark.parametrize("how", DAMAGES)
def test_damaged_tokens_open_nothing_and_say_how_to_mend_it(tmp_path: Path, how: str) -> None:
    own, book = make_token(tmp_path), TokenBook(tmp_path)
    secret = book.create("ops", TokenScope.READ)
    damaged(tmp_path, how)
    for seen_by in (book, TokenBook(tmp_path)):
        with raises(UnavailableError, code="damaged") as refusal:
            seen_by.grant_of(secret)
        assert "TOKENS" in str(refusal.value)
        assert seen_by.grant_of(own) == Grant("main", TokenScope.ADMIN)
        assert seen_by.grant_of("") is None
        for change in (partial(seen_by.create, "more", TokenScope.READ), partial(seen_by.revoke, "ops"), seen_by.named):
            with raises(UnavailableError, code="damaged"):
                change()
    (tmp_path / "TOKENS").rename(tmp_path / "TOKENS.damaged")
    assert book.grant_of(secret) is None
    assert book.grant_of(book.create("ops", TokenScope.READ)) == Grant("ops", TokenScope.READ)


def test_tokens_that_could_not_be_read_for_a_moment_are_accepted_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, secret = make_token(tmp_path), TokenBook(tmp_path).create("ops", TokenScope.READ)
    book = TokenBook(tmp_path)
    assert book.grant_of(own) is not None
    (tmp_path / "TOKENS").touch()

    def no_descriptor(path: Path) -> bytes:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))

    with monkeypatch.context() as patch:
        patch.setattr("actors.http.tokens.read_file", no_descriptor)
        patch.setattr("actors.http.own_token.read_file", no_descriptor)
        for _ in range(2):
            for ask in (partial(book.grant_of, secret), book.named, partial(book.revoke, "ops")):
                with raises(UnavailableError, code="unavailable"):
                    ask()
        assert not book.is_damaged
        assert book.grant_of(own) == Grant("main", TokenScope.ADMIN)
        with raises(UnavailableError, code="unavailable"):
            make_token(tmp_path)
    assert book.grant_of(secret) == Grant("ops", TokenScope.READ)


async def test_a_change_of_tokens_waits_for_another_process_and_holds_up_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.http.tokens.LOCK_SECONDS", 600)
    book, auditor = TokenBook(tmp_path), Full()
    with (tmp_path / "TOKENS.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(create, book, "ops", TokenScope.READ, "", auditor)
            await trio.testing.wait_all_tasks_blocked()
            assert book.named() == []
            fcntl.flock(other, fcntl.LOCK_UN)
        assert [token.name for token in book.named()] == ["ops"]
        fcntl.flock(other, fcntl.LOCK_EX)
        monkeypatch.setattr("actors.http.tokens.LOCK_SECONDS", 0)
        with raises(UnavailableError, code="unavailable") as refusal:
            await revoke(book, "ops", "", auditor)
        assert "TOKENS.lock" in str(refusal.value)
        assert [token.name for token in book.named()] == ["ops"]


UNUSABLE = {
    "others can read it": lambda path: path.chmod(0o640),
    "all can read it": lambda path: path.chmod(0o604),
    "it is a link": lambda path: (path.rename(path.with_name("aside")), path.symlink_to("aside")),
    "it is a link to another's file": lambda path: (path.unlink(), path.symlink_to("/etc/hostname")),
    "it is one letter": lambda path: path.write_text("a\n"),
    "it is a word": lambda path: path.write_text("correct-horse-battery-staple\n"),
    "it is a sentence": lambda path: path.write_text("this is long enough and it has spaces in it\n"),
    "it is not text": lambda path: path.write_bytes(b"\xff" * 43),
    "it is a directory": lambda path: (path.unlink(), path.mkdir()),
    "it is a pipe": lambda path: (path.unlink(), os.mkfifo(path, 0o600)),
}


@pytest.mark.parametrize("what", UNUSABLE)
def test_a_file_that_is_not_a_secret_is_not_taken_for_the_token(tmp_path: Path, what: str) -> None:
    make_token(tmp_path)
    UNUSABLE[what](tmp_path / "token")
    before = (tmp_path / "token").lstat().st_mtime_ns
    with raises(UnavailableError, code="damaged"):
        make_token(tmp_path)
    with raises(UnavailableError, code="damaged"):
        TokenBook(tmp_path).grant_of("a")
    assert (tmp_path / "token").lstat().st_mtime_ns == before


def test_a_token_in_the_file_counts_from_the_next_start_on(tmp_path: Path) -> None:
    own, book = make_token(tmp_path), TokenBook(tmp_path)
    assert book.grant_of(own) is not None
    (tmp_path / "token").write_text("x" * 40)
    assert book.grant_of(own) is not None
    assert book.grant_of("x" * 40) is None
    assert make_token(tmp_path) == "x" * 40
    assert TokenBook(tmp_path).grant_of("x" * 40) is not None


async def test_tokens_stay_with_the_directory_that_is_held(tmp_path: Path) -> None:
    async with open_journal(tmp_path / "data") as journal:
        assert journal.directory is not None
        book = TokenBook(journal.directory)
        secret = book.create("ops", TokenScope.READ)
        assert book.grant_of(secret) is not None
        (tmp_path / "data").rename(tmp_path / "aside")
        TokenBook(tmp_path / "data").directory.path.mkdir()
        others = TokenBook(tmp_path / "data").create("ops", TokenScope.ADMIN)
        assert book.grant_of(secret) == Grant("ops", TokenScope.READ)
        assert book.grant_of(others) is None
        for change in (partial(book.create, "more", TokenScope.READ), partial(book.revoke, "ops")):
            with pytest.raises(DirectoryLost):
                change()
        assert [token.name for token in TokenBook(tmp_path / "data").named()] == ["ops"]
        (tmp_path / "data" / "TOKENS").unlink()
        (tmp_path / "data" / "TOKENS.lock").unlink()
        (tmp_path / "data").rmdir()
        (tmp_path / "aside").rename(tmp_path / "data")

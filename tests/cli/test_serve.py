"""A server process: where it listens, who finds its token, what it leaves in files, logs and the list of processes."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from click.testing import CliRunner, Result

from actors.http.address import read_address
from cli.main import root
from tests.data_copies import copied
from tests.http.served import NO_TLS
from tests.telemetry.receiver import receiving
from tests.terminal import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

APP = """
import actors
from actors import Actor, handler, RetryPolicy

class Diary(Actor):
    lines: list[str] = actors.field(factory=list)

    @handler
    async def write(self, text: str) -> int:
        self.lines.append(text)
        return len(self.lines)

    @handler(retry=RetryPolicy(max_attempts=1))
    async def stumble(self, text: str) -> None:
        raise ValueError(text)
"""

HOSTILE = [
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "\x9b31m",
    "a\rb",
    'a\nlevel=error msg="forged"',
    '\n{"level": "error", "event": "forged"}',
    "\x07\x08\x00",
    "\u202egnp.exe",
    "\u2066x\u2069",
    "a\u2028b\u2029c\x85d",
    "\ufeffx",
    "\x7f\x7f",
]


@contextmanager
def serving(
    folder: Path, *options: str, app: str = APP, ends: int = 0
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A server on ``folder/data``; its address, and its process, which ``ends`` so."""
    (folder / "app.py").write_text(app)
    command = [
        sys.executable,
        "-m",
        "playhead",
        "serve",
        str(folder / "app.py"),
        "--data",
        str(folder / "data"),
        "--port",
        "0",
    ]
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen([*command, *options], cwd=ROOT, stdout=log, stderr=log, umask=0o022)
    try:
        deadline = time.monotonic() + 60
        while (address := read_address(folder / "data")) is None or address.pid != process.pid:
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield address.url, process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == ends, (folder / "log").read_text()


def run(*arguments: str, data: Path) -> Result:
    return CliRunner().invoke(root, [*arguments, "--data", str(data)])


def requested(url: str, token: str, method: str, path: str, **options: Any) -> httpx2.Response:
    with httpx2.Client(
        base_url=url, trust_env=False, verify=NO_TLS, headers={"authorization": f"Bearer {token}"}
    ) as http:
        return http.request(method, path, **options)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "objects.example"])
def test_beyond_loopback_it_refuses_and_says_what_to_do(host: str, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    result = run("serve", str(tmp_path / "app.py"), "--host", host, data=tmp_path / "data")
    assert result.exit_code == 2
    assert "has no TLS" in result.output
    assert "ssh -L" in result.output
    assert not (tmp_path / "data").exists()


def test_without_tokens_it_listens_on_loopback_only_whatever_else_is_said(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)
    words = ("--open", "--insecure-network", "--host", "0.0.0.0")
    result = run("serve", str(tmp_path / "app.py"), *words, data=tmp_path / "data")
    assert result.exit_code == 2
    assert "loopback only" in result.output


def test_nobody_but_the_owner_may_read_what_it_keeps(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, _):
        token = (tmp_path / "data" / "token").read_text().strip()
        assert requested(url, token, "POST", "/Diary/a/write", json="dear diary").status_code == 200
        assert run("tokens", "create", "ops", "--scope", "read", data=tmp_path / "data").exit_code == 0
    loose = [
        (str(path), oct(path.stat().st_mode))
        for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    ]
    assert loose == []


def test_tokens_are_in_no_log_no_argument_and_no_environment(tmp_path: Path) -> None:
    with serving(tmp_path, "--verbose") as (url, process):
        token = (tmp_path / "data" / "token").read_text().strip()
        named = run("tokens", "create", "ops", "--scope", "read", data=tmp_path / "data").stdout.strip()
        for secret in (token, named, "wrong" * 8):
            requested(url, secret, "GET", "/services")
            requested(url, secret, "GET", f"/nothing?token={secret}")
        exposed = Path(f"/proc/{process.pid}/cmdline").read_bytes() + Path(f"/proc/{process.pid}/environ").read_bytes()
    log = (tmp_path / "log").read_text()
    for secret in (token, named):
        assert secret not in log
        assert secret.encode() not in exposed
    assert named not in (tmp_path / "data" / "TOKENS").read_text()


def test_named_tokens_are_made_listed_and_revoked_while_it_runs(tmp_path: Path) -> None:
    with serving(tmp_path) as (url, _):
        data = tmp_path / "data"
        made = run("tokens", "create", "ops", "--scope", "read", data=data)
        secret = made.stdout.strip()
        assert requested(url, secret, "GET", "/services").status_code == 200
        assert requested(url, secret, "POST", "/Diary/a/write", json="x").status_code == 200
        assert requested(url, secret, "PATCH", f"/invocations/inv_1{'0' * 33}/kill").status_code == 403
        listed = json.loads(run("tokens", "list", "-o", "json", data=data).stdout)
        assert [(token["name"], token["scope"]) for token in listed] == [("ops", "read")]
        again = run("tokens", "create", "ops", "--scope", "admin", data=data)
        assert "revoke it first" in str(again.exception)
        assert run("tokens", "revoke", "ops", data=data).exit_code == 0
        assert requested(url, secret, "GET", "/services").status_code == 401
        assert "no token 'ops'" in str(run("tokens", "revoke", "ops", data=data).exception)


def test_tokens_need_a_store_and_names_that_can_be_read(tmp_path: Path) -> None:
    assert "there is no playhead store here" in str(run("tokens", "list", data=tmp_path / "typo").exception)
    assert not (tmp_path / "typo").exists()


def test_what_comes_from_users_cannot_command_a_terminal_nor_forge_a_log(tmp_path: Path) -> None:
    with serving(tmp_path, "--verbose") as (url, _):
        data = tmp_path / "data"
        token = (data / "token").read_text().strip()
        for text in HOSTILE:
            assert requested(url, token, "POST", f"/Diary/{_quoted(text)}/write", json=text).status_code == 200
            sent = requested(url, token, "POST", f"/Diary/{_quoted(text)}/stumble/send", json=text)
            of = sent.json()["invocationId"]
            requested(url, token, "PATCH", f"/invocations/{of}/cancel", json={"reason": text})
            requested(url, token, "GET", f"/{_quoted(text)}/{_quoted(text)}")
            requested(url, token + "x", "GET", f"/{_quoted(text)}")
        shown = [run("invocations", "list", data=data), run("invocations", "list", "-o", "json", data=data)]
        shown += [run("audit", data=data), run("audit", "-o", "json", data=data)]
        shown += [run("invocations", "describe", of, data=data), run("invocations", "events", of, data=data)]
        shown += [run("call", "Diary/a/stumble2", '"\x1b[2J"', data=data)]
    for result in shown:
        text = result.output + str(result.exception or "")
        assert _harmless(result.output), repr(text)
    lines = (tmp_path / "log").read_bytes().split(b"\n")
    assert all(_harmless(line.decode()) for line in lines)
    assert not any(line.startswith((b"level=error", b'{"level": "error", "event": "forged"')) for line in lines)
    for line in lines:
        if line.startswith(b"{"):
            assert json.loads(line)["event"] != "forged"


def _quoted(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def _harmless(text: str) -> bool:
    return not any(
        (ord(letter) < 0x20 and letter not in "\n")
        or 0x7F <= ord(letter) < 0xA0
        or letter in "\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
        for letter in text
    )


STUCK = """
import time
from actors import Service, handler, step

@step
def stick() -> None:
    time.sleep(600)

class Stuck(Service):
    @handler
    async def work(self) -> None:
        await stick()
"""


@pytest.mark.parametrize("is_stuck", [False, True])
def test_a_server_whose_directory_is_replaced_ends_by_itself(tmp_path: Path, is_stuck: bool) -> None:
    data, aside = tmp_path / "data", tmp_path / "aside"
    with serving(tmp_path, ends=74, app=STUCK if is_stuck else APP) as (url, process):
        token = (data / "token").read_text().strip()
        if is_stuck:
            requested(url, token, "POST", "/Stuck/work/send")
        data.rename(aside)
        copied(aside, data)
        left = {path: path.read_bytes() for path in data.rglob("*") if path.is_file()}
        process.wait(30)
        assert {path: path.read_bytes() for path in data.rglob("*") if path.is_file()} == left
    log = (tmp_path / "log").read_text()
    assert str(data) in log
    assert "/proc/self" not in log
    assert "Traceback" not in log
    assert run("doctor", data=data).exit_code == run("doctor", data=aside).exit_code == 0


def test_a_second_server_on_the_same_directory_is_told_who_has_it(tmp_path: Path) -> None:
    with serving(tmp_path) as (_, process):
        command = [
            sys.executable,
            "-m",
            "playhead",
            "serve",
            str(tmp_path / "app.py"),
            "--data",
            str(tmp_path / "data"),
        ]
        second = subprocess.run([*command, "--port", "0"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert second.returncode == 75
    assert f"in use by process {process.pid}" in second.stderr
    assert "Traceback" not in second.stderr


def test_the_audit_says_who_made_and_revoked_tokens_and_who_tried_in_vain(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(tmp_path) as (url, _):
        secret = run("tokens", "create", "ops", "--scope", "read", "--reason", "for the dashboard", data=data).stdout
        assert (
            requested(url, secret.strip(), "POST", "/tokens", json={"name": "x", "scope": "admin"}).status_code == 403
        )
        assert run("tokens", "create", "ops", "--scope", "admin", data=data).exit_code != 0
    assert (
        run("tokens", "create", "late", "--scope", "invoke", "--reason", "while it is stopped", data=data).exit_code
        == 0
    )
    assert run("tokens", "revoke", "ops", data=data).exit_code == 0
    assert run("tokens", "revoke", "ops", data=data).exit_code != 0
    rows = json.loads(run("audit", "-o", "json", data=data).stdout)
    entries = [row for row in rows if row["verb"] != "register-deployment"]
    told = [(row["verb"], row["target"], row["detail"], row["reason"], row["changed"]) for row in reversed(entries)]
    assert told == [
        ("create-token", "token:ops", "scope read", "for the dashboard", True),
        ("POST", "/tokens", "", "", False),
        ("create-token", "token:ops", "scope admin", "", False),
        ("create-token", "token:late", "scope invoke", "while it is stopped", True),
        ("revoke-token", "token:ops", "", "", True),
        ("revoke-token", "token:ops", "", "", False),
    ]
    newest = list(reversed(entries))
    assert [row["refusal"].partition(":")[0] for row in newest if row["refusal"]] == [
        "forbidden",
        "already_exists",
        "not_found",
    ]
    assert newest[0]["by"].startswith("user:")
    assert newest[0]["source"].startswith("socket, process ")
    assert newest[1]["by"] == "token:ops"
    assert newest[3]["by"].startswith("user:")
    assert secret.strip() not in json.dumps(entries)
    assert run("audit", "--check", data=data).exit_code == 0


OTHER = """
from actors import Service, handler

class Other(Service):
    @handler
    async def hello(self) -> str:
        return "hello"
"""


def test_a_server_without_a_class_says_so_and_shows_its_objects(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with serving(tmp_path):
        for key in ("a", "b"):
            assert run("call", f"Diary/{key}/write", '"x"', data=data).exit_code == 0
    (tmp_path / "log").unlink()
    with serving(tmp_path, app=OTHER) as (url, _):
        token = (data / "token").read_text().strip()
        services = requested(url, token, "GET", "/services").json()["services"]
        assert [(one["name"], one["is_served"]) for one in services] == [("Other", True), ("Diary", False)]
        assert requested(url, token, "GET", "/objects/Diary/a").json()["fields"] == {"lines": ["x"]}
        assert requested(url, token, "GET", "/objects/Diary/a/fields/lines/history").json()["changes"][0]["value"] == [
            "x"
        ]
        assert requested(url, token, "PATCH", "/objects/Diary/a/fields", json={"set": {"lines": []}}).status_code == 404
        assert "not served" in run("services", data=data).stdout
        assert json.loads(run("actors", "list", "Diary", "-o", "json", data=data).stdout)
        assert "lines" in run("actors", "state", "get", "Diary/a", data=data).stdout
    assert "no class named Diary is served, and 2 objects of Diary are stored" in (tmp_path / "log").read_text()


def test_a_server_sends_its_traces_where_the_option_or_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiving() as by_option, receiving() as by_variable:
        monkeypatch.setenv("OTEL_SERVICE_NAME", "diaries")
        for receiver, options in ((by_option, ("--otlp", by_option.url)), (by_variable, ())):
            if not options:
                monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.url)
            with serving(tmp_path, *options) as (url, _):
                token = (tmp_path / "data" / "token").read_text().strip()
                assert requested(url, token, "POST", "/Diary/a/write", json="dear diary").status_code == 200
            assert sorted(span.name for span in receiver.spans) == ["Diary/write", "Diary/write attempt 1"]
            assert receiver.services == {"diaries"}

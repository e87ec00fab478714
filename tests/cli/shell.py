"""The command line in this process: lines are typed at :func:`cli.main.main`, beside a server in a thread.

Options, output, exit codes and HTTP are those of ``playhead``; a process and a shell are not, so a line is one command without
pipes or redirections. A word may name a variable: ``$id``. ``tests/terminal.py`` has a real bash, for what is about processes.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
import threading
from contextlib import contextmanager
from string import Template
from typing import TYPE_CHECKING

import attrs
import trio

import actors
from cli.apps import load_app
from cli.main import main
from tests.terminal import ROOT, Said

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SHOP = ROOT / "tests" / "cli" / "shop.py"


@attrs.define(eq=False)
class Shell:
    """A folder, and ``playhead`` in it. Made by :func:`shell`."""

    folder: Path
    servers: dict[str, Server] = attrs.field(factory=dict)
    variables: dict[str, str] = attrs.field(factory=dict)

    def run(self, line: str, stdin: str = "") -> Said:
        """Type a command; what it printed, and its exit code."""
        name, *words = (Template(word).safe_substitute(self.variables) for word in shlex.split(line))
        assert name == "playhead"
        given, printed, remarked = (io.TextIOWrapper(io.BytesIO(data), "utf-8") for data in (stdin.encode(), b"", b""))
        before = sys.argv, sys.stdin, sys.stdout, sys.stderr
        sys.argv, sys.stdin, sys.stdout, sys.stderr = ["playhead", *words], given, printed, remarked
        try:
            main()
        except SystemExit as ended:
            code = ended.code
        finally:
            sys.argv, sys.stdin, sys.stdout, sys.stderr = before
        assert isinstance(code, int)
        return Said(line, _text(printed), _text(remarked), code)

    def done(self, line: str, stdin: str = "") -> str:
        """Type a command that must succeed; what it printed."""
        said = self.run(line, stdin)
        assert said.code == 0, said
        return said.out.rstrip("\n")

    def start(self, app: Path = SHOP, data: str = "playhead-data") -> None:
        """Serve an app on a directory."""
        self.servers[data] = Server(app, self.folder / data)

    def stop(self, data: str = "playhead-data") -> None:
        """End the server, as SIGTERM does."""
        self.servers.pop(data).end()


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    data = stream.detach()
    assert isinstance(data, io.BytesIO)
    return data.getvalue().decode()


class Server:
    """A runtime behind HTTP on a free port, in a thread; its directory says where it listens, as that of a process does."""

    def __init__(self, app: Path, data: Path) -> None:
        self._ended = trio.Event()
        self._token: trio.lowlevel.TrioToken | None = None
        self._errors: list[BaseException] = []
        is_up = threading.Event()
        self._thread = threading.Thread(target=self._main, args=(app, data, is_up), daemon=True)
        self._thread.start()
        assert is_up.wait(60)
        self._raise()

    def _main(self, app: Path, data: Path, is_up: threading.Event) -> None:
        try:
            trio.run(self._serve, app, data, is_up)
        except BaseException as error:
            self._errors.append(error)
        finally:
            is_up.set()

    async def _serve(self, app: Path, data: Path, is_up: threading.Event) -> None:
        self._token = trio.lowlevel.current_trio_token()
        classes = load_app(str(app))
        async with actors.open_runtime(*classes, path=data, code=app, durability="os", drain=0, serve="127.0.0.1:0"):
            is_up.set()
            await self._ended.wait()

    def end(self) -> None:
        """Stop it, and wait until its directory is free."""
        if self._token is not None and self._thread.is_alive():
            self._token.run_sync_soon(self._ended.set)
        self._thread.join(60)
        assert not self._thread.is_alive()
        self._raise()

    def _raise(self) -> None:
        if self._errors:
            raise self._errors[0]


@contextmanager
def shell(folder: Path) -> Iterator[Shell]:
    """A shell in an empty folder, which is the working directory; what it has started is ended."""
    home = folder / "home"
    home.mkdir()
    before, path, modules, cwd = dict(os.environ), sys.path[:], set(sys.modules), os.getcwd()
    for name in [name for name in os.environ if name.startswith("PLAYHEAD_")]:
        del os.environ[name]
    os.environ.update(COLUMNS="200", NO_COLOR="1", XDG_CONFIG_HOME=str(home / "config"))
    os.chdir(home)
    opened = Shell(home)
    try:
        yield opened
    finally:
        for data in [*opened.servers]:
            opened.stop(data)
        os.chdir(cwd)
        os.environ.clear()
        os.environ.update(before)
        sys.path[:] = path
        for name in ("shop", "app", "approval"):
            if name in set(sys.modules) - modules:
                del sys.modules[name]

"""A shell as a reader of the documents has one: an empty folder in which ``playhead`` and ``python`` are this project's.

Lines are fed to one bash, one after the other, so that variables and jobs work. A server that is started in the background is
waited for, as a person does who reads "serving" before going on; it takes any port that is free.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from tests.children import python_path

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PATIENCE_SECONDS = 60.0

_PYTHON = f"""#!/bin/sh
exec "{sys.executable}" -W error "$@"
"""
_PLAYHEAD = f"""#!/bin/sh
[ "$1" = serve ] && set -- "$@" --port 0
exec "{sys.executable}" -m playhead "$@"
"""
_END = "--end of line--"


@attrs.frozen
class Said:
    """What a line printed, and its exit code."""

    line: str
    out: str
    err: str
    code: int


@attrs.define(eq=False)
class Terminal:
    """One bash in one folder. Made by :func:`terminal`."""

    folder: Path
    bash: subprocess.Popen[str]
    remarks: Path

    def run(self, line: str) -> Said:
        """Type a line and wait until the prompt is back."""
        before = len(self._remarks())
        out, code = self._type(line)
        if line.partition("#")[0].rstrip().endswith("&"):
            self._wait_until_it_serves(before)
        return Said(line, out, self._remarks()[before:], code)

    def done(self, line: str) -> str:
        """Type a line that must succeed; what it printed."""
        said = self.run(line)
        assert said.code == 0, said
        return said.out.rstrip("\n")

    def _type(self, line: str) -> tuple[str, int]:
        assert self.bash.stdin is not None
        assert self.bash.stdout is not None
        self.bash.stdin.write(f'{line}\necho "{_END} $?"\n')
        self.bash.stdin.flush()
        patience = threading.Timer(PATIENCE_SECONDS, self._kill_all)
        patience.start()
        heard: list[str] = []
        try:
            for text in self.bash.stdout:
                if text.startswith(_END):
                    return "".join(heard), int(text.removeprefix(_END))
                heard.append(text)
        finally:
            patience.cancel()
        raise AssertionError(
            f"{line!r} did not end within {PATIENCE_SECONDS} seconds: {''.join(heard)}{self._remarks()}"
        )

    def _remarks(self) -> str:
        return self.remarks.read_text()

    def _wait_until_it_serves(self, before: int) -> None:
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while "serving " not in self._remarks()[before:]:
            assert time.monotonic() < give_up_at, f"nothing serves: {self._remarks()[before:]}"
            time.sleep(0.02)

    def _kill_all(self) -> None:
        os.killpg(self.bash.pid, signal.SIGKILL)

    def close(self) -> None:
        """End the shell and whatever it has started."""
        self._kill_all()
        self.bash.wait()
        for stream in (self.bash.stdin, self.bash.stdout):
            assert stream is not None
            stream.close()


@contextmanager
def terminal(folder: Path) -> Iterator[Terminal]:
    """A shell in an empty folder below this one."""
    commands, home = folder / "bin", folder / "home"
    commands.mkdir()
    home.mkdir()
    for name, text in (("python", _PYTHON), ("playhead", _PLAYHEAD)):
        (commands / name).write_text(text)
        (commands / name).chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PLAYHEAD_")}
    environment |= {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "PYTHONPATH": python_path(ROOT),
        "COLUMNS": "200",
        "NO_COLOR": "1",
    }
    remarks = folder / "remarks"
    with remarks.open("w") as file:
        bash = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=home,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            start_new_session=True,
        )
    opened = Terminal(home, bash, remarks)
    try:
        yield opened
    finally:
        opened.close()

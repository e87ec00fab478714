"""A disk that fails when it is told to, for processes that tests start: ``shim.c`` in front of libc.

It fails one fsync, slows all of them, or holds each until it is released; it fails writes and reads; it kills the process before a chosen write, fsync, rename or unlink; and it writes
down what has reached the disk, so that :func:`cut_power` can take away the rest. SIGKILL alone leaves the page cache
alone, so it can never show that an fsync is missing.

What it does not model: directory entries are always durable, a file loses its end and nothing in its middle, and a disk
never lies about an fsync.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import importlib.util
import mmap
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_SOURCE = Path(__file__).with_name("shim.c")


class Control(ctypes.Structure):
    """What the shim is told and what it has counted, shared between processes. ``struct control`` of ``shim.c``."""

    syncs: int
    fail_sync: int
    fail_errno: int
    slow_us: int
    boundaries: int
    kill_before: int
    fail_writes: int
    fail_reads: int
    held_ms: int
    released: int
    outwaited: int

    _fields_ = [
        ("syncs", ctypes.c_int32),
        ("fail_sync", ctypes.c_int32),
        ("fail_errno", ctypes.c_int32),
        ("slow_us", ctypes.c_int32),
        ("boundaries", ctypes.c_int32),
        ("kill_before", ctypes.c_int32),
        ("fail_writes", ctypes.c_int32),
        ("fail_reads", ctypes.c_int32),
        ("held_ms", ctypes.c_int32),
        ("released", ctypes.c_int32),
        ("outwaited", ctypes.c_int32),
    ]

    def fail_next_sync(self, error_number: int) -> None:
        """The next sync of a matching file fails once, and is not made."""
        self.fail_errno = error_number
        self.fail_sync = self.syncs + 1


def shared_control(path: Path) -> Control:
    """The control block in this file, which is made if there is none."""
    if not path.exists():
        path.write_bytes(bytes(ctypes.sizeof(Control)))
    with path.open("r+b") as file:
        return Control.from_buffer(mmap.mmap(file.fileno(), ctypes.sizeof(Control)))


def control_of_this_process() -> Control:
    """The control block of the shim that this process was started with."""
    return shared_control(Path(os.environ["SHIM_CONTROL"]))


def preloaded(
    under: Path, *, suffix: str = "", control: Path | None = None, trace: Path | None = None
) -> dict[str, str]:
    """The environment of a process whose files below ``under`` go through the shim.

    ``suffix``: only files that end so fail or are slow. ``control``: a file made by :func:`shared_control`. ``trace``: where
    to note what is on disk. Skips the test where the shim cannot be built.
    """
    environment = os.environ | {"LD_PRELOAD": str(compiled_shim()), "SHIM_UNDER": str(under.resolve())}
    if suffix:
        environment["SHIM_SUFFIX"] = suffix
    if control is not None:
        environment["SHIM_CONTROL"] = str(control)
    if trace is not None:
        environment["SHIM_TRACE"] = str(trace)
    return environment


@functools.cache
def compiled_shim() -> Path:
    """The library, built once for this process."""
    import pytest  # here, because the processes under test import this module too, and start a third faster without

    if sys.platform != "linux":
        pytest.skip("the shim needs LD_PRELOAD and /proc, that is: Linux")
    compiler = _compiler()
    if compiler is None:
        pytest.skip("the shim needs a C compiler, and there is no cc, no gcc and no package ziglang; install gcc")
    folder = Path(tempfile.mkdtemp(prefix="playhead-shim-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    library = folder / "shim.so"
    subprocess.run([*compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"], check=True)
    return library


def _compiler() -> list[str] | None:
    for name in ("cc", "gcc"):
        path = shutil.which(name)
        if path is not None:
            return [path]
    if importlib.util.find_spec("ziglang") is not None:
        return [sys.executable, "-m", "ziglang", "cc"]
    return None


def synced_sizes(trace: Path) -> dict[Path, int]:
    """How much of each file is on disk."""
    sizes: dict[Path, int] = {}
    for line in trace.read_text().splitlines():
        match line.split("\t"):
            case ["sync", path, size]:
                sizes[Path(path)] = int(size)
            case ["rename", old, new]:
                # Noted before it happens, and it may not have: keep what either name has.
                sizes[Path(new)] = max(sizes.get(Path(old), 0), sizes.get(Path(new), 0))
            case ["link", old, new]:
                sizes[Path(new)] = sizes.get(Path(old), 0)
            case ["unlink", path]:
                sizes.pop(Path(path), None)
            case _:
                raise AssertionError(f"a line of the trace that nobody wrote: {line!r}")
    return sizes


def note_as_synced(directory: Path, trace: Path) -> None:
    """Begin a trace with everything below the directory on disk as it is."""
    files = (path for path in sorted(directory.resolve().rglob("*")) if path.is_file())
    trace.write_text("".join(f"sync\t{path}\t{path.stat().st_size}\n" for path in files))


def cut_power(directory: Path, trace: Path, *, traced_as: Path | None = None) -> None:
    """Take from every file below the directory what was never synced.

    ``traced_as``: where the files were when the trace was written, if these are copies. The trace must reach back to the
    directory's beginning.
    """
    origin = (traced_as if traced_as is not None else directory).resolve()
    sizes = synced_sizes(trace)
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            synced = sizes.get(origin / path.relative_to(directory), 0)
            if synced < path.stat().st_size:
                os.truncate(path, synced)

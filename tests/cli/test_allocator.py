"""A server gives memory back that it has freed."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from tests.terminal import ROOT

MIB = 1 << 20

FREES = """
from cli.allocator import give_back_large_blocks
assert give_back_large_blocks()
block = b"x" * (9 << 20)
del block  # from now on glibc would put such blocks into its heap
large, small = [], []
for _ in range(40):
    large.append(b"x" * (8 << 20))
    small.append(b"x" * 100_000)  # so that the heap has gaps, and cannot shrink
del large
with open("/proc/self/statm") as statm:
    print(int(statm.read().split()[1]) * 4096)
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc keeps large blocks")
def test_large_blocks_that_are_freed_leave_the_process() -> None:
    held = subprocess.run([sys.executable, "-c", FREES], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(held.stdout) < 200 * MIB

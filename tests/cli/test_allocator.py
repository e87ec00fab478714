"""A server gives memory back that it has freed."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.test_serve import requested, serving
from tests.terminal import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="only glibc keeps large blocks")

MIB = 1 << 20

FREES = """
def resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def kept_after_large_blocks():
    before = resident_bytes()
    block = b"x" * (9 << 20)
    del block  # from now on glibc would put such blocks into its heap
    large, small = [], []
    for _ in range(40):
        large.append(b"x" * (8 << 20))
        small.append(b"x" * 100_000)  # so that the heap has gaps, and cannot shrink
    del large
    return resident_bytes() - before
"""

ALONE = f"""
from cli.allocator import give_back_large_blocks
assert give_back_large_blocks()
{FREES}
print(kept_after_large_blocks())
"""

APP = f"""
from actors import Service, handler, step
{FREES}

@step
async def measure() -> int:
    return kept_after_large_blocks()


class Memory(Service):
    @handler
    async def measured(self) -> int:
        return await measure()
"""


def test_large_blocks_that_are_freed_leave_the_process() -> None:
    kept = subprocess.run([sys.executable, "-c", ALONE], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(kept.stdout) < 100 * MIB


def test_large_blocks_that_a_server_frees_leave_its_process(tmp_path: Path) -> None:
    with serving(tmp_path, app=APP) as (url, _):
        token = (tmp_path / "data" / "token").read_text().strip()
        kept = requested(url, token, "POST", "/Memory/measured", timeout=60)
    assert kept.json() < 100 * MIB

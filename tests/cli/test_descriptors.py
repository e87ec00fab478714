"""A server may have as many connections as its system allows."""

from __future__ import annotations

import subprocess
import sys

from tests.terminal import ROOT

RAISES = """
import resource
from cli.descriptors import allow_many_descriptors
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (256, min(hard, 2_000)))
allow_many_descriptors()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_a_server_raises_its_limit_of_descriptors() -> None:
    raised = subprocess.run([sys.executable, "-c", RAISES], cwd=ROOT, capture_output=True, text=True, check=True)
    soft, hard = raised.stdout.split()
    assert soft == hard

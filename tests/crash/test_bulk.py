"""A job of thousands of items, killed by SIGKILL again and again, deals with each of them exactly once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from random import Random

ITEMS = int(os.environ.get("BULK_ITEMS", "3000"))
SEED = int(os.environ.get("BULK_SEED", "1"))
PATIENCE_SECONDS = 120.0
ROOT = Path(__file__).parents[2]


def start(*words: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.crash.bulk", *words], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    timer = threading.Timer(PATIENCE_SECONDS, process.kill)
    timer.daemon = True
    timer.start()
    return process


def live_until(process: subprocess.Popen[str], done: int) -> tuple[int, str]:
    """Listen until so many items are done, then kill it; how many were, and the first word it said."""
    assert process.stdout is not None
    with process:
        first, heard = "", 0
        for line in process.stdout:
            first = first or line.strip()
            if not line.strip().isdigit():
                continue
            heard = int(line)
            if heard >= done:
                process.send_signal(signal.SIGKILL)
                break
    return heard, first


def test_a_job_that_is_killed_again_and_again_deals_with_each_item_exactly_once(tmp_path: Path) -> None:
    random = Random(SEED)
    directory = str(tmp_path / "data")
    deaths = sorted(random.sample(range(1, ITEMS * 9 // 10), 3))
    done, job = live_until(start("begin", directory, str(ITEMS)), deaths[0])
    heard = [done]
    for death in deaths[1:]:
        done, _ = live_until(start("go-on", directory, job), death)
        heard.append(done)
    assert all(0 < done < ITEMS for done in heard), f"it died in the middle, each time: {heard}"
    assert heard == sorted(heard), "what was done stays done"
    judged = start("judge", directory, job)
    out, _ = judged.communicate(timeout=PATIENCE_SECONDS)
    assert json.loads(out) == {
        "state": "done",
        "counts": [ITEMS, ITEMS, 0, {}],
        "told": {"changed": ITEMS},
        "told_once": True,
        "verdicts": {"1": ITEMS},
    }

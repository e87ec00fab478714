"""The files of tests that take long, for the plugins that order them and that show how far they are."""

from __future__ import annotations

LONGEST = {
    "tests/crash/test_boundaries.py": 140,
    "tests/simulation/test_storms.py": 110,
    "tests/console/test_invocations.py": 90,
    "tests/benchmarks/test_budget.py": 80,
    "tests/http/test_openapi.py": 70,
    "tests/crash/test_judge.py": 60,
    "tests/console/test_under_traffic.py": 50,
    "tests/crash/test_kills.py": 50,
    "tests/crash/test_damage.py": 45,
    "tests/journal/test_agreement.py": 30,
    "tests/journal/test_power.py": 30,
    "tests/scale/test_suspended.py": 30,
    "tests/test_readme.py": 30,
    "tests/cli/test_object_cluster.py": 40,
    "tests/cli/test_nats_cluster.py": 30,
    "tests/benchmarks/test_questions.py": 30,
    "tests/crash/test_power_cuts.py": 20,
}
"""About how many seconds a file takes on a machine that does nothing else, the longest first. The others follow in their own order."""

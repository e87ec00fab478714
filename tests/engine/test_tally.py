"""What an engine counts of what it has done."""

from __future__ import annotations

from actors.engine.totals import RECENT_SECONDS, Recent


def test_what_ended_lately_is_counted_by_the_second_and_forgotten_after_five_minutes() -> None:
    recent = Recent()
    for at, has_succeeded in ((1000.1, True), (1000.9, False), (1001.0, True), (999.5, True), (1000.0, True)):
        recent.add(int(at), has_succeeded=has_succeeded, number=1)
    assert recent.by_second == {1000: [2, 1], 1001: [1, 0], 999: [1, 0]}
    recent.add(1000 + RECENT_SECONDS, has_succeeded=True, number=1)
    assert sorted(recent.by_second) == [1000, 1001, 1000 + RECENT_SECONDS]
    for second in range(10_000):
        recent.add(2_000 + second, has_succeeded=False, number=1)
    assert len(recent.by_second) <= RECENT_SECONDS + 1

"""Schedules over HTTP: what each verb does is tested in ``engine``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from actors import ConflictError, InvalidArgumentError, NotFoundError, Service, handler
from actors.errors import AccessDeniedError
from actors.http.routes import TokenScope
from actors.model.schedule_info import ScheduleState
from tests.http.served import serving
from tests.raising import raises

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path
    from typing import Any

    from actors.types import ScheduleHandle


class Report(Service):
    @handler
    async def run(self, region: str) -> str:
        return region


async def test_a_schedule_has_each_verb_over_http(tmp_path: Path) -> None:
    async with serving(tmp_path, Report) as served, served.client() as remote:
        schedule = await remote.schedules.create(
            "night / 1", "Report/run", "eu", cron="30 2 * * *", zone="Europe/Berlin", note="for the board"
        )
        here = served.runtime.client.schedules
        assert await remote.schedules.list() == await here.list()
        assert await schedule.info() == await here.schedule("night / 1").info()
        assert len(await schedule.next(12)) == 12
        assert (await schedule.pause(reason="audit")).changed
        assert (await schedule.info()).state is ScheduleState.PAUSED
        assert (await schedule.resume()).changed
        run = await schedule.trigger()
        assert await remote.invocation(run.invocation_id).result() == "eu"
        start = (await schedule.next(1))[0] - 3 * 86_400
        assert await schedule.backfill(start, start + 86_400) == 2
        assert (await schedule.update(argument="us", overlap="queue")).changed
        info = await schedule.info()
        assert (info.argument, info.overlap.value, info.note) == ("us", "queue", "for the board")
        await schedule.delete(reason="done")
        assert await remote.schedules.list() == ()


async def test_refusals_keep_their_class_and_the_name_of_the_option(tmp_path: Path) -> None:
    async with serving(tmp_path, Report) as served, served.client() as remote:
        with raises(NotFoundError, kind="schedule"):
            await remote.schedules.schedule("nothing").info()
        with raises(InvalidArgumentError, path="argument"):
            await remote.schedules.create("x", "Report/run", 5, every=60)
        await remote.schedules.create("x", "Report/run", "eu", every=60)
        with raises(ConflictError, code="already_exists"):
            await remote.schedules.create("x", "Report/run", "us", every=60)
        body = {"name": "y", "target": "Report/run", "argument": "eu", "cron": "61 * * * *"}
        answer = await served.http.post("/schedules", json=body)
        assert answer.status_code == 400
        assert "minute" in answer.json()["detail"]
        answer = await served.http.post("/schedules", json={**body, "cron": "0 * * * *", "colour": "red"})
        assert answer.status_code == 400


VERBS: list[tuple[TokenScope, Callable[[ScheduleHandle], Coroutine[Any, Any, object]]]] = [
    (TokenScope.READ, lambda schedule: schedule.info()),
    (TokenScope.CONTROL, lambda schedule: schedule.pause()),
    (TokenScope.CONTROL, lambda schedule: schedule.resume()),
    (TokenScope.CONTROL, lambda schedule: schedule.trigger()),
    (TokenScope.CONTROL, lambda schedule: schedule.backfill(0, 60)),
    (TokenScope.ADMIN, lambda schedule: schedule.update(note="x")),
    (TokenScope.ADMIN, lambda schedule: schedule.delete()),
]


@pytest.mark.parametrize("held", [TokenScope.INVOKE, TokenScope.READ, TokenScope.CONTROL])
async def test_a_token_reaches_as_far_as_its_scope(tmp_path: Path, held: TokenScope) -> None:
    async with serving(tmp_path, Report) as served:
        await served.runtime.client.schedules.create("x", "Report/run", "eu", every=60, anchor=0)
        token = served.tokens.create("some", held)
        async with served.client(token) as remote:
            for needed, verb in VERBS:
                schedule = remote.schedules.schedule("x")
                if held.covers(needed):
                    await verb(schedule)
                else:
                    with pytest.raises(AccessDeniedError):
                        await verb(schedule)
            with pytest.raises(AccessDeniedError):
                await remote.schedules.create("y", "Report/run", "eu", every=60)

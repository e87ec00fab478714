"""Schedules for a client in this process."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar

from actors.control.local.calls import LocalCalls
from actors.control.local.registry import LocalRegistry
from actors.core.schedules import MAX_SCHEDULES, ScheduleChange, ScheduleSpec, TimeForm, Timing, TriggeredRun
from actors.errors import ErrorCode, InvalidArgumentError, LimitExceededError, RefusedError
from actors.model.targets import parse_target
from actors.model.timetable import Timetable
from actors.query.schedules import count_schedules, schedule_info, schedule_infos, stored_spec
from actors.rows.audit import ControlAction
from actors.system.scheduled_calls import schedule_target
from actors.system.scheduled_runs import time_in
from actors.values import ValueProblem, encode_json
from actors.values.limits import within_limit
from journal.events import Kind

if TYPE_CHECKING:
    from actors.model.schedule_info import ScheduleInfo
    from actors.model.schedule_options import BackfillOptions, ScheduleOptions
    from actors.values import Codec, Signature


A = TypeVar("A")


class LocalSchedules(LocalCalls, LocalRegistry):
    """Creates, changes and reads schedules."""

    async def create_schedule(self, name: str, options: ScheduleOptions) -> ScheduleChange:
        """Create a schedule, once its options are checked against the handler."""
        act = _act("create-schedule", name, options.reason, _in_words(options))
        async with self.engine.one_schedule_at_a_time:
            try:
                own = await self._own_spec(name)
                if own is None:  # else it changes nothing, or is refused
                    self.check_room()
                    await self._check_number()
                spec = self._spec(options, own)
            except RefusedError as refusal:
                await self.note_refusal(act, refusal)
                raise
            return await self._ask(
                name, "create", act, ScheduleChange, spec=spec, is_anchored=options.anchor is not None
            )

    async def replace_schedule(self, name: str, options: ScheduleOptions, if_revision: int | None) -> ScheduleChange:
        """Change a schedule, once its new options are checked against the handler."""
        act = _act("update-schedule", name, options.reason, _in_words(options))
        try:
            spec = self._spec(options, await self._own_spec(name))
        except RefusedError as refusal:
            await self.note_refusal(act, refusal)
            raise
        is_anchored = options.anchor is not None
        return await self._ask(
            name, "replace", act, ScheduleChange, spec=spec, is_anchored=is_anchored, if_revision=if_revision
        )

    async def list_schedules(self) -> tuple[ScheduleInfo, ...]:
        """Return all schedules, by name."""
        async with self.snapshot() as snapshot:
            return await schedule_infos(snapshot)

    async def schedule_info(self, name: str, count: int) -> ScheduleInfo:
        """Return a schedule with its next times."""
        async with self.snapshot() as snapshot:
            return schedule_info(snapshot, name, shown=count)

    async def pause_schedule(self, name: str, reason: str) -> ScheduleChange:
        """Start no run until it is resumed."""
        return await self._ask(name, "pause", _act("pause-schedule", name, reason), ScheduleChange, reason=reason)

    async def resume_schedule(self, name: str, reason: str) -> ScheduleChange:
        """Start runs again."""
        return await self._ask(name, "resume", _act("resume-schedule", name, reason), ScheduleChange)

    async def trigger_schedule(self, name: str, reason: str) -> TriggeredRun:
        """Start a run now."""
        self.check_room()
        return await self._ask(name, "trigger", _act("trigger-schedule", name, reason), TriggeredRun)

    async def backfill_schedule(self, name: str, options: BackfillOptions) -> int:
        """Plan a run for each nominal time of a past range."""
        self.check_room()
        act = _act("backfill-schedule", name, options.reason, f"{options.start:.0f} to {options.end:.0f}")
        return await self._ask(name, "backfill", act, int, start=options.start, end=options.end)

    async def delete_schedule(self, name: str, reason: str) -> ScheduleChange:
        """Delete a schedule."""
        return await self._ask(name, "delete", _act("delete-schedule", name, reason), ScheduleChange, reason=reason)

    async def _ask(self, name: str, handler: str, act: ControlAction, kind: type[A], **arguments: Any) -> A:
        answer: A
        _, answer = await self.call_built_in(schedule_target(name, handler), act, by=self.who.by, **arguments)
        return answer

    async def _own_spec(self, name: str) -> ScheduleSpec | None:
        async with self.snapshot() as snapshot:
            return stored_spec(snapshot, name)

    async def _check_number(self) -> None:
        async with self.snapshot() as snapshot:
            count = await count_schedules(snapshot)
        if count >= MAX_SCHEDULES:
            raise LimitExceededError(
                f"there are {count} schedules (limit {MAX_SCHEDULES}); delete some first",
                limit="schedules",
                maximum=MAX_SCHEDULES,
                found=count,
                code=ErrorCode.TOO_MANY,
            )

    def _spec(self, options: ScheduleOptions, own: ScheduleSpec | None) -> ScheduleSpec:
        """Check the options against the handler that is served now; ``own`` is the description that the schedule has. Raises a
        :class:`actors.RefusedError`."""
        target = parse_target(options.target)
        definition = self.definition_of(target.service)
        target = self._named(definition, target)
        if definition.kind is Kind.WORKFLOW and target.handler == "run":
            raise InvalidArgumentError(
                f"target is {str(target)!r}, the run of a workflow, which executes once for its key; schedule a handler of "
                "a service or an actor",
                path="target",
            )
        timing = options.timing(self.environment.clock.now(), None if own is None else own.timing)
        signature = definition.handler(target.handler).signature
        check = _with_time if options.time_parameter else _without_time
        argument, parameter, form = self.engine.run_watched(
            f"the argument of {target}", check, signature, options, timing
        )
        return ScheduleSpec(
            target=target,
            argument=within_limit(argument, self.limits.payload_bytes, f"the argument of {target}"),
            parameter=parameter,
            timing=timing,
            time_parameter=options.time_parameter,
            time_form=form,
            missed=options.missed,
            missed_limit=options.missed_limit,
            overlap=options.overlap,
            note=options.note,
            said=b"" if options.argument is None else encode_json(options.argument),
        )


def _act(verb: str, name: str, reason: str, detail: str = "") -> ControlAction:
    return ControlAction(verb=verb, target=name, detail=detail, reason=reason)


def _in_words(options: ScheduleOptions) -> str:
    times = f"{options.cron} {options.zone}" if options.every is None else f"every {options.every:g}s"
    return f"{options.target} {times}"


def _without_time(signature: Signature, options: ScheduleOptions, _: Timing) -> tuple[bytes, str, TimeForm]:
    """Return the argument as the journal stores it, and the parameter whose value it is."""
    body = b"" if options.argument is None else encode_json(options.argument)
    try:
        return signature.encode((), signature.read(body)[0]), signature.parameter, TimeForm.TEXT
    except ValueProblem as error:
        raise _wrong_argument(options, error) from error


def _with_time(signature: Signature, options: ScheduleOptions, timing: Timing) -> tuple[bytes, str, TimeForm]:
    """Return the argument without the nominal time, the parameter if the time is the only parameter, and the form of the time."""
    name = options.time_parameter
    codec = signature.parameters.get(name)
    if codec is None:
        raise InvalidArgumentError(
            f"time_parameter is {name!r}, but {options.target} has {', '.join(signature.parameters) or 'no parameter'}",
            path="time_parameter",
        )
    others = {} if options.argument is None else options.argument
    if not isinstance(others, dict) or name in others:
        raise InvalidArgumentError(
            f"argument is given together with time_parameter, so it must be an object of the parameters other than {name!r}",
            path="argument",
        )
    sample = math.floor(Timetable(timing).after(0.0) or 0.0) + 0.5  # an interval may end within a second
    form = _form_for(codec, timing, sample, name)
    try:
        signature.read(encode_json({**others, name: time_in(form, timing, sample)}), "")
    except ValueProblem as error:
        raise _wrong_argument(options, error) from error
    return encode_json(others) if others else b"", name if signature.parameter == name else "", form


def _form_for(codec: Codec[Any], timing: Timing, sample: float, name: str) -> TimeForm:
    for form in TimeForm:
        try:
            value = codec.decode(encode_json(time_in(form, timing, sample)))
        except ValueProblem:
            continue
        if form is not TimeForm.ZONED or not isinstance(value, str):
            return form
    raise InvalidArgumentError(
        f"time_parameter is {name!r}, whose type takes no time, expected datetime, date, str or float",
        path="time_parameter",
    )


def _wrong_argument(options: ScheduleOptions, error: ValueProblem) -> InvalidArgumentError:
    return InvalidArgumentError(
        f"argument does not fit {options.target}: {error.path}: {error.problem}", path=f"argument{error.path[1:]}"
    )

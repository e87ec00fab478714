"""What must hold after a storm, whatever happened in it: each law has a name, which a failing storm prints.

They are held against the events that are kept, what the world saw, and what clients were told.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from math import inf
from typing import TYPE_CHECKING, Any, TypeGuard

from journal import events as e
from journal import keys
from journal.events import Mode, OutcomeKind
from journal.ids import InvocationId, stream_of_invocation
from tests.simulation import answers, calls, codes, limits
from tests.simulation.cast import QUESTION
from tests.simulation.lives import LONGEST_COMMIT_SECONDS, SAME_TIME, Life, read_lives

if TYPE_CHECKING:
    from actors.runtime import Runtime
    from journal.events import Recorded
    from tests.simulation.heard import Said
    from tests.simulation.storm import Storm


async def judge(storm: Storm, runtime: Runtime) -> None:
    """Hold a storm that has come to its end against every law."""
    lives, objects = await read_lives(storm, runtime)
    for events in objects:
        _in_order(storm, events)
    for life in lives.values():
        _one_life(storm, life)
    _what_was_told(storm, lives)
    _what_was_said(storm, lives)
    answers.judge(storm, lives)
    calls.judge(storm, lives)
    codes.judge(storm, lives)
    limits.judge(storm, lives, objects)
    _world(storm, lives)
    _held(storm, lives)
    _replays(storm, lives)
    _faults(storm, lives)
    await storm.company.judge(runtime, lives)
    await _audit(storm, runtime)


def _in_order(storm: Storm, events: list[Recorded]) -> None:
    """First come, first served, among those that need their object for themselves and start at all."""
    if any("handler:" in str(deed.given) for life in storm.plan.lives for deed in life.deeds if deed.what == "gate"):
        return  # a gate of one handler lets others pass
    line: list[InvocationId] = []
    exclusive = {r.event.invocation_id for r in events if _is_exclusive(r.event)}
    for recorded in events:
        match recorded.event:
            case (
                e.InvocationAccepted(scheduled_for=None, behind=None, invocation_id=of)
                | e.InvocationDue(invocation_id=of)
            ):
                line.append(of)
            case e.InvocationStarted(invocation_id=of) if of in exclusive and of in line:
                first = next(of for of in line if of in exclusive)
                storm.law("first come, first served", first == of, f"{first} came before {of}")
                line.remove(of)
            case e.InvocationCompleted(invocation_id=of) if of in line:
                line.remove(of)


def _is_exclusive(event: Any) -> TypeGuard[e.InvocationAccepted]:
    return isinstance(event, e.InvocationAccepted) and event.mode is Mode.EXCLUSIVE


def _one_life(storm: Storm, life: Life) -> None:
    ends = life.of(e.InvocationCompleted)
    storm.law("each ends once", len(ends) == 1, f"{life.id} ended {len(ends)} times")
    storm.law("nothing follows an end", life.outcome is not None, f"{life.id} went on after its end")
    storm.law("each is accepted once", len(life.of(e.InvocationAccepted)) == 1, life.id)
    due: dict[str, float] = {}
    outcomes: Counter[str] = Counter()
    for recorded in life.events:
        match recorded.event:
            case e.SleepScheduled(step=step, wake_at=at) | e.DeadlineScheduled(step=step, expires_at=at):
                due[step] = at
            case e.TimerFired(step=step):
                storm.law("no timer is early", recorded.stamp.at >= due.get(step, 0.0) - SAME_TIME, f"{life.id} {step}")
            case e.StepCompleted(step=step):
                outcomes[step] += 1
            case e.InvocationPaused(cause=cause, reason=reason):
                is_doubted = stream_of_invocation(life.id) in storm.doubted
                is_own = life.accepted.restarts is not None or life.accepted.handler == "walk" or is_doubted
                is_own = is_own or life.id in storm.homes
                is_found = "what it should keep" not in reason or is_doubted
                storm.law("a restart finds what it is to keep", is_found, f"{life.id}: {reason}")
                storm.law(
                    "only what is hostile or restarted is paused by itself",
                    is_own or cause in _PAUSES_HONEST,
                    f"{life.id}: {cause} {reason[:200]}",
                )
    storm.law("each step has one outcome", all(n == 1 for n in outcomes.values()), f"{life.id}: {outcomes}")
    _cancel(storm, life)
    _date(storm, life)


_PAUSES_HONEST = (e.PauseCause.REQUESTED, e.PauseCause.EXHAUSTED, e.PauseCause.BUDGET)
"""Why one of the honest may be paused."""


def _date(storm: Storm, life: Life) -> None:
    """What was sent for later joins the queue when its date has come, and soon afterwards where nothing keeps it from that."""
    date = life.accepted.scheduled_for
    is_doubted = stream_of_invocation(life.id) in storm.doubted
    for recorded, at in zip(life.events, life.at, strict=True):
        match recorded.event:
            case e.InvocationRescheduled(scheduled_for=date):
                pass
            case e.InvocationDue() if date is not None:
                is_early = recorded.stamp.at < date - SAME_TIME
                storm.law("nothing begins before its time", not is_early, f"{life.id}: its date is {date}")
                latest = inf if is_doubted else storm.latest(date, 2 * LONGEST_COMMIT_SECONDS)
                storm.law("nothing is late", at <= latest, f"{life.id} at {at}, expected until {latest}")
                date = None
            case e.InvocationStarted() | e.InvocationDue():
                storm.law("nothing begins before its time", date is None, f"{life.id}: its date is {date}")


def _cancel(storm: Storm, life: Life) -> None:
    """What was cancelled did not succeed; and a work has compensated, since it ends with a sleep that is not shielded."""
    if not life.of(e.CancelRequested) or life.outcome is None or life.accepted.handler == "walk":
        return
    kind = life.outcome.kind
    storm.law("a cancel arrives", kind is not OutcomeKind.SUCCEEDED, f"{life.id} succeeded all the same")
    if kind is OutcomeKind.CANCELLED and life.number is not None and life.of(e.InvocationStarted):
        undone = any(event.name == "undo" for event in life.of(e.StepScheduled))
        storm.law("a cancel compensates", undone, life.id)


def _what_was_told(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    gone = storm.purged | storm.deletable
    lost = [told.id for told in storm.told if told.id not in lives and told.id not in gone]
    storm.law("what was acknowledged is kept", not lost, f"{lost}")
    numbers = Counter(life.number for life in lives.values() if life.number and life.accepted.restarts is None)
    twice = [number for number, count in numbers.items() if count > 1]
    storm.law("asked for once, done once", not twice or storm.has_restarted, f"{twice}")  # a restart sends again
    storm.law("what was refused is not done", not storm.refused & {*numbers}, f"{storm.refused & {*numbers}}")
    for request, found in storm.found.items():
        first = {_original(lives, of) for of in found}  # the key of a workflow leads to its restart
        storm.law("one request is one invocation", len(first) == 1, f"{request}: {found}")


def _original(lives: dict[InvocationId, Life], of: InvocationId) -> InvocationId:
    life = lives.get(of)
    repeated = None if life is None else life.accepted.restarts
    return of if repeated is None else _original(lives, repeated.invocation_id)


def _what_was_said(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """Verbs that were answered did what the answer said. A cancel of an update is recorded in its run."""
    cancelled = {event.update for life in lives.values() for event in life.of(e.UpdateCancelRequested)}
    for said in storm.said:
        life = lives.get(said.of)
        if said.verb == "purge":
            # A repair of what was damaged may bring back events that a purge has overwritten meanwhile.
            is_kept = life is not None and stream_of_invocation(said.of) not in storm.doubted
            prefix = keys.output_of(stream_of_invocation(said.of) % storm.lab.partitions, said.of)
            has_output = bool(storm.disk.scan(prefix, keys.after_prefix(prefix), limit=1))
            is_gone = not is_kept and not has_output
            storm.law("what was purged is gone", is_gone or not said.changed, said.of)
        elif said.verb == "cancel" and said.of in cancelled:
            continue
        elif life is not None and said.changed:
            _one_verb(storm, said, life)
    for life in lives.values():
        signals = [event for event in life.of(e.SignalReceived) if event.name != QUESTION]
        received = Counter(event.value for event in signals if b"-1" not in event.value)
        twice = [value for value, count in received.items() if count > 1 and life.accepted.restarts is None]
        storm.law("a signal comes once", not twice, f"{life.id}: {twice}")


def _one_verb(storm: Storm, said: Said, life: Life) -> None:
    ended_as = life.outcome.kind if life.outcome else None
    match said.verb:
        case "cancel":
            is_so = bool(life.of(e.CancelRequested)) or ended_as is OutcomeKind.CANCELLED
        case "kill":
            is_so = ended_as is OutcomeKind.KILLED
        case "pause" | "pause now":
            is_so = bool(life.of(e.PauseRequested) or life.of(e.InvocationPaused))
        case "resume":
            is_so = any(
                life.of(kind) for kind in (e.InvocationResumed, e.StepRetried, e.AttemptRetried, e.InvocationMoved)
            )
        case "signal" if said.number:
            is_so = any(b"%d" % said.number in event.value for event in life.of(e.SignalReceived))
        case "reschedule":
            is_so = bool(life.of(e.InvocationRescheduled))
        case _:
            return
    storm.law("a verb that was answered is done", is_so, f"{said.verb} of {said.of}")


def _world(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """No step begins again once it is recorded, no compensation before its action has given way, nothing after the end."""
    recorded: dict[str, float] = {}
    names: dict[str, str] = {}
    once: set[str] = set()
    ended: dict[str, float] = {}
    for life in lives.values():
        for r, at in zip(life.events, life.at, strict=True):
            match r.event:
                case e.StepCompleted(step=step):
                    recorded[f"{life.id}/{step}"] = at
                case e.StepScheduled(step=step):
                    names[f"{life.id}/{step}"] = r.event.name
                    if r.event.at_most_once:
                        once.add(f"{life.id}/{step}")
                case e.InvocationCompleted():
                    ended[life.id] = at
    for key in once:
        storm.law("at most once is at most once", storm.world.times[key] <= 1, key)
    for key, at, running in storm.world.runs():
        of = key.partition("/")[0]
        again = at > recorded.get(key, inf) + SAME_TIME
        storm.law("no step runs after its outcome", not again, f"{key} at {at}, recorded at {recorded.get(key)}")
        storm.law("nothing runs after its end", at <= ended.get(of, inf) + SAME_TIME, key)
        if of in lives:
            storm.law("what runs is recorded", key in names, key)
        beside = {other for other in running if other.startswith(of)}
        storm.law("no compensation beside its action", names.get(key) != "undo" or not beside, f"{key}: {beside}")


def _held(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """No step begins, and no handler has its turn, while its invocation is paused, or while a gate holds it. A turn is had before
    it is recorded, so it may be the only trace of a resume that was lost with its commit."""
    paused: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for life in lives.values():
        since: float | None = None
        for r, at in zip(life.events, life.at, strict=True):
            if isinstance(r.event, e.InvocationPaused):
                since = at
            elif since is not None and isinstance(r.event, _LETS_GO):
                paused[life.id].append((since, at))
                since = None
    lost = storm.unanswered
    turns = [(of, at) for of, at, _ in storm.world.turns]
    for key, at in [*storm.world.begins(), *((of, at) for of, at in turns if not (of in lost and at >= lost[of]))]:
        of = key.partition("/")[0]
        during = [span for span in paused[of] if span[0] + SAME_TIME < at < span[1] - SAME_TIME]
        storm.law("nothing begins while it is paused", not during, f"{key} at {at}: {during}")
        life = lives.get(InvocationId(of))
        if life is not None:
            for scope, since, until in storm.closed:
                is_held = since + SAME_TIME < at < until - SAME_TIME and _is_in(scope, life)
                storm.law("nothing begins behind a gate", not is_held, f"{key} at {at}: {scope} since {since}")


_LETS_GO = (e.InvocationResumed, e.CancelRequested, e.CancelDeadlineMoved, e.InvocationCompleted)


def _is_in(scope: str, life: Life) -> bool:
    kind, _, what = scope.partition(":")
    match kind:
        case "everything":
            return True
        case "key":
            return f"{life.service}/{life.key}" == what
        case "handler":
            return f"{life.service}/{life.accepted.handler}" == what
        case _:
            return life.service == what


def _replays(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """Every replay is given what the first run was given; a restart, for what it keeps, what the one before was given."""
    for (of, path), given in storm.world.got.items():
        kept = next((at for at, (time, _) in enumerate(given) if storm.was_kept(time)), len(given))
        values = [value for _, value in given[kept:]]
        storm.law("a replay sees what was seen", all(v == values[0] for v in values), f"{of} {path}: {given}")
    for life in lives.values():
        taken = [event.signal for event in life.of(e.SignalAwaited) if event.ready]
        storm.law("a signal is taken once", len(taken) == len({*taken}), f"{life.id}: {taken}")
    for of, made in storm.successors.items():
        for again, successor in made:
            if successor is not None and of in lives and again in lives:
                kept = {ref.step for ref in successor.kept}
                _kept(storm, lives[of], lives[again], kept)
                _known(storm, lives[of], lives[again], kept, storm.points[again])
                asking = {ref.step for ref in successor.again} - {storm.points[again]}
                _asked_again(storm, lives[of], lives[again], kept | asking)


def _kept(storm: Storm, before: Life, after: Life, kept: set[Any]) -> None:
    """What a restart keeps has the outcomes that it had."""
    for kind in (e.StepCompleted, e.CallCompleted):
        old = {event.step: event.outcome for event in before.of(kind) if event.step in kept}
        new = {event.step: event.outcome for event in after.of(kind)}
        for step, outcome in old.items():
            storm.law("a restart keeps outcomes", new.get(step, outcome) == outcome, f"{after.id} {step}")
    begun = storm.world.times.keys()
    again = {step for step in kept if f"{after.id}/{step}" in begun}
    storm.law("a restart repeats nothing that it keeps", not again, f"{after.id}: {again}")


def _asked_again(storm: Storm, before: Life, after: Life, waits: set[Any]) -> None:
    """Other waits than the one that it goes back to have the signals that they had; that one has none of these."""
    old_signals, new_signals = _signals(before), _signals(after)
    for step in waits & old_signals.keys() & new_signals.keys():
        storm.law(
            "a restart gives each wait its own signal",
            old_signals[step] == new_signals[step],
            f"{after.id} {step}: {new_signals[step]!r}, it was {old_signals[step]!r}",
        )


_ENDS = (e.StepCompleted, e.TimerFired, e.CallCompleted, e.VerbAnswered, e.StepAborted)


def _known(storm: Storm, before: Life, after: Life, kept: set[Any], point: str) -> None:
    """A restart keeps the outcomes that were known before that of its step; and a wait that it goes back to asks again."""
    known: set[Any] = set()
    is_found = point == "end"
    for recorded in before.events:
        event: Any = recorded.event
        if isinstance(event, e.CancelRequested) or (isinstance(event, _ENDS) and event.step == point):
            is_found |= not isinstance(event, e.CancelRequested)
            break
        if isinstance(event, e.StepCompleted):
            known.add(event.step)
    if is_found:
        storm.law("a restart keeps what was known", known <= kept, f"{after.id} from {point}: {known - kept} are lost")
    taken = _signals(after).get(point, b"-1")
    is_new = b"-1" in taken or taken not in [event.value for event in before.of(e.SignalReceived)]
    is_new |= taken in storm.told_by_jobs  # which tell it to both
    is_new |= point not in {
        event.step for event in before.of(e.SignalAwaited)
    }  # other code may wait where there was no wait
    storm.law("a restart asks again", is_new, f"{after.id} {point}: {taken!r} again")


def _signals(life: Life) -> dict[Any, bytes]:
    """By wait, the value that it took, as far as events say it."""
    values: dict[Any, bytes] = {}
    by_signal: dict[Any, bytes] = {}
    for recorded in life.events:
        match recorded.event:
            case e.SignalReceived(name=name, signal=signal, value=value, step=step) if name != QUESTION:
                by_signal[signal] = value
                if step is not None:
                    values[step] = value
            case e.SignalAwaited(ready=True, signal=signal, step=step) if signal in by_signal:
                values[step] = by_signal[signal]
            case e.SignalReassigned(signal=signal, step=step):
                values = {s: v for s, v in values.items() if v != by_signal.get(signal)}
                if step is not None and signal in by_signal:
                    values[step] = by_signal[signal]
    return values


def _faults(storm: Storm, lives: dict[InvocationId, Life]) -> None:
    """The engine blames nobody but what is hostile, unless the disk was damaged."""
    hostile = {life.id for life in lives.values() if life.service in ("Walker", "")} | storm.purged
    for said in storm.faults:
        is_known = bool(storm.doubted) or said.partition(":")[0] in hostile
        storm.law("the engine has no faults of its own", is_known, said[:500])


async def _audit(storm: Storm, runtime: Runtime) -> None:
    """Every verb that was answered is in the audit, and the chain is whole."""
    check = await runtime.client.verify_audit()
    storm.law("the audit is a whole chain", check.is_whole, f"{check.broken}")
    known = {(entry.target, entry.verb) async for entry in runtime.client.audit_entries() if not entry.refusal}
    by_hand = [(said.of, said.verb.partition(" ")[0]) for said in storm.said if not said.by_job]
    for of, verb in [*by_hand, *storm.audited]:
        storm.law("a verb that was answered is in the audit", (of, verb) in known, f"{verb} {of}")

"""One event of every class, every field filled, for golden bytes and round trips."""

from __future__ import annotations

from journal import events as e
from journal.ids import InvocationId, StepId

INVOCATION = InvocationId("inv_1" + "0123456789a" + "0123456789ABCDEFGHIJKL")
OTHER = InvocationId("inv_1" + "a9876543210" + "0123456789ABCDEFGHIJKL")
QUESTION = "AaMYXFAAvPySS2aCpQx3Zg"
STEP = StepId("3.1.2")
TARGET = e.Target("Bank", "alice", "deposit")
CALLER = e.Caller(OTHER, STEP)
FAILURE = e.Failure(
    "builtins.ValueError",
    "no such account",
    "Traceback …",
    b'{"account": 7}',
    b'{"args": ["no such account"], "attributes": {"account": 7}}',
)
OUTCOME = e.Outcome(e.OutcomeKind.SUCCEEDED, b"[1, 2]", expired=True)

STAMP = e.Stamp(1_700_000_000.25, "cause", "user:alice")

EVENTS: list[e.Event] = [
    e.Erased(),
    e.ObjectCreated(service="Bank", key="alice", kind=e.Kind.ACTOR),
    e.InvocationAccepted(
        invocation_id=INVOCATION,
        handler="deposit",
        mode=e.Mode.EXCLUSIVE,
        argument=b"5",
        caller=CALLER,
        chain=[e.Link(OTHER, "Bank/bob/transfer", True)],
        scheduled_for=1_700_000_060.5,
        request="r-1",
        atomic=True,
        deployment="dep_0123456789abcdef",
        restarts=e.Lineage(OTHER, STEP, True, "seed"),
        behind=OTHER,
        parameter="amount",
        tags={"user": "ada"},
        trace=e.TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        expires_at=1_700_000_060.5,
        max_duration=60.0,
        debounce="page-7",
        debounced_since=1_700_000_000.5,
        budget={"tokens": "1000", "usd": "0.5"},
        budgets=(OTHER,),
    ),
    e.InvocationDue(invocation_id=INVOCATION),
    e.InvocationStarted(invocation_id=INVOCATION),
    e.StepScheduled(
        invocation_id=INVOCATION,
        step=STEP,
        name="charge",
        source="bank.py:12",
        argument=b"[5]",
        at_most_once=True,
        argument_bytes=3,
        is_compared=True,
        argument_digest="0123456789abcdef0123456789abcdef",
        opaque=("bank",),
    ),
    e.StepCompleted(invocation_id=INVOCATION, step=STEP, outcome=OUTCOME, attributes=b'{"gen_ai.request.model":"m"}'),
    e.StepAttemptFailed(
        invocation_id=INVOCATION,
        step=STEP,
        attempt=2,
        failure=FAILURE,
        retry_at=1_700_000_001.5,
        max_attempts=5,
        attributes=b'{"gen_ai.request.model":"m"}',
    ),
    e.StepRetried(invocation_id=INVOCATION, step=STEP),
    e.StepAborted(invocation_id=INVOCATION, step=STEP),
    e.SleepScheduled(invocation_id=INVOCATION, step=STEP, wake_at=1_700_000_060.5, source="bank.py:13"),
    e.DeadlineScheduled(
        invocation_id=INVOCATION, step=STEP, expires_at=1_700_000_060.5, source="bank.py:14", block=StepId("3.1.1")
    ),
    e.TimerFired(invocation_id=INVOCATION, step=STEP),
    e.WaitDropped(invocation_id=INVOCATION, step=STEP),
    e.CallScheduled(
        invocation_id=INVOCATION,
        step=STEP,
        callee=OTHER,
        target=TARGET,
        argument=b"5",
        request="k",
        source="bank.py:15",
        parameter="amount",
        tags={"user": "ada"},
        trace=e.TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        max_duration=60.0,
        budget={"tokens": "1000"},
    ),
    e.AttachScheduled(
        invocation_id=INVOCATION,
        step=STEP,
        callee=OTHER,
        source="bank.py:16",
        lock="Account/ada",
        after=OTHER,
        stays=True,
    ),
    e.CallCompleted(
        invocation_id=INVOCATION, step=STEP, outcome=e.Outcome(e.OutcomeKind.FAILED, failure=FAILURE, expired=True)
    ),
    e.CallCancelRequested(invocation_id=INVOCATION, step=STEP),
    e.SendScheduled(
        invocation_id=INVOCATION,
        step=STEP,
        callee=OTHER,
        target=TARGET,
        argument=b"5",
        scheduled_for=1_700_000_060.5,
        request="k",
        source="bank.py:17",
        parameter="amount",
        tags={"user": "ada"},
        trace=e.TraceContext("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        max_duration=60.0,
        debounce="page-7",
        max_delay=300.0,
        budget={"tokens": "1000"},
    ),
    e.SignalAwaited(
        invocation_id=INVOCATION,
        step=STEP,
        name="approval",
        ready=True,
        source="bank.py:18",
        schema=b'{"type":"boolean"}',
        signal=2,
        handed_over=3,
        again=True,
        question=QUESTION,
    ),
    e.SignalReceived(
        invocation_id=INVOCATION,
        name="approval",
        value=b"true",
        signal=2,
        step=STEP,
        json_loses="$: tuple #1",
        deferred=True,
        error="too late",
        question=QUESTION,
    ),
    e.SignalReassigned(invocation_id=INVOCATION, signal=2, name="approval", step=STEP, question=QUESTION),
    e.QuestionAsked(
        invocation_id=INVOCATION,
        step=STEP,
        name="approval",
        question=QUESTION,
        asked_by=OTHER,
        choices=["approve", "reject"],
        text="Pay 5?",
        expires_at=1_700_000_060.5,
        source="bank.py:20",
    ),
    e.VerbScheduled(
        invocation_id=INVOCATION, step=STEP, verb=e.Verb.CANCEL, of=OTHER, argument=b"{}", source="bank.py:19"
    ),
    e.VerbAnswered(
        invocation_id=INVOCATION,
        step=STEP,
        answer=e.ControlResult(
            True,
            e.Status.RUNNING,
            e.Status.COMPLETED,
            e.Successor(
                OTHER,
                kept=(e.StepRef(STEP, "plan"),),
                again=(e.StepRef(STEP, "charge"),),
                dropped=(e.StepRef(STEP, "notify"),),
                stopped=(e.CallRef(STEP, "Bank/alice/deposit", OTHER),),
                spared=(e.CallRef(STEP, "Bank/bob/deposit", INVOCATION),),
                repeated=(e.CallRef(STEP, "Bank/carol/deposit", OTHER),),
                deployment="dep_0123456789abcdef",
            ),
        ),
        refusal=FAILURE,
    ),
    e.StepHeartbeat(invocation_id=INVOCATION, step=STEP, details=b'{"row":7}'),
    e.StatusTextChanged(invocation_id=INVOCATION, text="page 3 of 10"),
    e.UpdateAccepted(
        invocation_id=INVOCATION,
        update=OTHER,
        number=3,
        name="change_address",
        argument=b'"1 New Street"',
        parameter="address",
    ),
    e.UpdateCancelRequested(
        invocation_id=INVOCATION, update=OTHER, reason="a slip of the finger", kill_at=1_700_000_060.5, expired=True
    ),
    e.UpdateCompleted(invocation_id=INVOCATION, update=OTHER, outcome=OUTCOME),
    e.QuantitiesSpent(invocation_id=INVOCATION, spent={"tokens": "1200", "euros": "0.04"}, step=STEP),
    e.BudgetRaised(invocation_id=INVOCATION, more={"usd": "5"}, reason="worth it"),
    e.BudgetUsedUp(invocation_id=INVOCATION, paused=OTHER, over=e.OverBudget(INVOCATION, "tokens", "1200", "1000")),
    e.PatchMarked(invocation_id=INVOCATION, name="two-step refund"),
    e.FieldsChanged(invocation_id=INVOCATION, fields={"balance": b"5"}),
    e.LogExtended(invocation_id=INVOCATION, field="lines", items=[b'"a"', b'"b"']),
    e.MapChanged(
        invocation_id=INVOCATION,
        field="items",
        items={'"apple"': b"2", '"pear"': None},
        before={'"apple"': None, '"pear"': b"1"},
    ),
    e.ReadsPinned(invocation_id=INVOCATION, fields={"balance": b"5"}, lengths={"lines": 2}),
    e.ItemsPinned(invocation_id=INVOCATION, field="items", items={'"apple"': b"2", '"pear"': None}),
    e.AttemptFailed(
        invocation_id=INVOCATION, attempt=3, failure=FAILURE, handed_over=4, retry_at=1_700_000_002.5, max_attempts=5
    ),
    e.AttemptRetried(invocation_id=INVOCATION),
    e.InvocationSuspended(invocation_id=INVOCATION),
    e.CancelRequested(
        invocation_id=INVOCATION,
        reason="superseded",
        children=e.Children.ALL,
        kill_at=1_700_000_030.5,
        overtakes=2,
        expired=True,
    ),
    e.PauseRequested(invocation_id=INVOCATION, reason="maintenance"),
    e.InvocationPaused(
        invocation_id=INVOCATION,
        cause=e.PauseCause.EXHAUSTED,
        reason="5 attempts failed",
        failure=FAILURE,
        over=e.OverBudget(OTHER, "tokens", "1200", "1000"),
    ),
    e.InvocationResumed(invocation_id=INVOCATION, reason="fixed"),
    e.AttachRequested(invocation_id=INVOCATION, by=CALLER, stays=True),
    e.AttachDropped(invocation_id=INVOCATION, by=CALLER),
    e.InvocationCompleted(
        invocation_id=INVOCATION, outcome=e.Outcome(e.OutcomeKind.KILLED, reason="stuck", expired=True)
    ),
    e.InvocationsPurged(invocation_ids=[INVOCATION, OTHER]),
    e.InvocationRescheduled(invocation_id=INVOCATION, scheduled_for=1_700_000_000.5, reason="earlier"),
    e.InvocationMoved(invocation_id=INVOCATION, deployment="dep_0123456789abcdef"),
    e.InvocationRestarted(
        invocation_id=INVOCATION, successor=OTHER, step=STEP, reason="fixed", hands_over=True, debounced=True
    ),
    e.FieldsRewound(
        invocation_id=INVOCATION,
        fields={"balance": b"5"},
        lengths={"lines": 2},
        logs={"lines": [b'"b"']},
        maps={"items": {'"apple"': b"2"}},
        before={"items": {'"apple"': None}},
    ),
    e.HistoryCopied(
        invocation_id=INVOCATION,
        fields={"balance": b"5"},
        lengths={"lines": 2},
        maps={"items": {'"apple"': b"2"}},
        before_last=True,
        carries=True,
    ),
    e.CallTransferred(invocation_id=INVOCATION, step=STEP, callee=OTHER),
    e.CallsDetached(invocation_id=INVOCATION),
    e.CancelDeliveredEarlier(invocation_id=INVOCATION, handed_over=4),
    e.CancelDeadlineMoved(invocation_id=INVOCATION, kill_at=31.5, reason="it takes too long"),
    e.FieldsInitialized(invocation_id=INVOCATION, fields={"ident": b'"7f"'}),
    e.LogConverted(invocation_id=INVOCATION, field="lines", items=[b'"a"', b'"b"']),
    e.MapConverted(invocation_id=INVOCATION, field="items", items={'"apple"': b"2"}),
]

"""Questions to people, who answer by a signed link."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

import attrs
import msgspec

from actors.errors import InvalidArgumentError, LimitExceededError
from actors.model.contexts import context_of
from actors.model.signed_link import SignedLink
from actors.model.verbs.branches import branch_for, source_line
from actors.model.verbs.signals import next_signal
from actors.replay.branches import Operation
from actors.values.arguments import MAX_NAME, Seconds, checked_name, checked_text, is_a, seconds_or_none
from actors.values.limits import NEVER
from actors.values.texts import shown
from journal import events as e
from journal.safe_logger import SafeLogger

if TYPE_CHECKING:
    from collections.abc import Mapping

    from actors.replay.branches import Branch

log = SafeLogger(__name__)

T = TypeVar("T")

MAX_CHOICES = 20
"""The largest number of choices of a question."""

MAX_CHOICE = 100
"""The longest choice, in characters."""

MAX_TEXT = 4_000
"""The longest text of a question, in characters."""

MAX_QUESTIONS = 1_000
"""The largest number of questions of one invocation that have no answer."""

WEEK = 7 * 24 * 3600.0


@attrs.frozen
class Question(Generic[T]):
    """A question to a person. A step sends ``link``; :meth:`answer` waits for the choice."""

    name: str
    link: SignedLink
    _choices: dict[str, T]
    _answered: list[T] = attrs.field(factory=list, init=False)

    async def answer(self) -> T:
        """Wait for the answer and return the value of the choice; at once if it is known.

        The holder of the link may answer before this wait begins. When it ends without an answer, because of a deadline or a cancel, the
        link is refused until the handler waits again. A signal of the same name answers too, from the command line or the
        console; its value is the text of the choice, and any other value is skipped. Raises :class:`actors.SignalFailedError` if the
        signal is an error. ::

            with actors.move_on_after(24 * 3600):
                return await question.answer()
            await remind(question.link)
            return await question.answer()
        """
        branch, source = branch_for("ask"), source_line(1)
        schema = msgspec.json.encode({"enum": list(self._choices)})
        while not self._answered:
            received = await next_signal(branch, self.name, source, schema, question=self.link.question)
            choice = msgspec.json.decode(received.value)
            if is_a(choice, str) and choice in self._choices:
                self._answered.append(self._choices[choice])
                context = context_of(branch)
                context.questions -= {self.link.question}
            elif not branch.execution.is_repeating:
                log.warning(
                    "%s: signal %r is skipped: %s is none of its choices",
                    branch.execution.invocation_id,
                    self.name,
                    shown(choice),
                )
        return self._answered[0]


@overload
async def ask(name: str, *, text: str, valid_for: Seconds | None = WEEK) -> Question[bool]: ...
@overload
async def ask(name: str, choices: Mapping[str, T], *, text: str, valid_for: Seconds | None = WEEK) -> Question[T]: ...
async def ask(
    name: str, choices: Mapping[str, Any] | None = None, *, text: str, valid_for: Seconds | None = WEEK
) -> Question[Any]:
    """Ask a person a question that the holder of its link may answer, once and without a token.

    A step sends ``question.link.url`` by mail or chat. The link shows a page with the ``text`` and a button for each choice;
    opening it changes nothing, and pressing a button answers. ``choices`` are the texts of the buttons with the values that
    :meth:`Question.answer` returns; without them they are ``approve`` (True) and ``reject`` (False). The answer is recorded as
    the signal ``name``. ``valid_for`` is how long the link works, in seconds or a timedelta; None means as long as the question is
    open. After that the handler still waits, and a signal can answer.

    Raises :class:`InvalidArgumentError`, and :class:`LimitExceededError` if 1,000 questions of the invocation have no answer.

    ::

        question = await actors.ask("manager", text=f"Pay {claim.amount} to {claim.person}?")
        await send_mail(claim.manager, question.link)  # a step, which reads link.url
        approved = await question.answer()
    """
    branch = branch_for("ask")
    name = checked_name(name, "name", MAX_NAME)
    values = {"approve": True, "reject": False} if choices is None else _checked_choices(choices)
    words, seconds = checked_text(text, "text", MAX_TEXT), seconds_or_none(valid_for, "valid_for")
    if not words.strip():
        raise InvalidArgumentError("text is empty, expected the question", path="text")
    context = context_of(branch)
    if len(context.questions) >= MAX_QUESTIONS:
        raise LimitExceededError(
            f"{len(context.questions)} questions of this invocation have no answer; the limit is {MAX_QUESTIONS}",
            limit="questions",
            maximum=MAX_QUESTIONS,
            found=len(context.questions),
        )
    asked: e.QuestionAsked = await QuestionOperation(
        branch,
        branch.following_step,
        name=name,
        choices=list(values),
        text=words,
        valid_for=seconds,
        source=source_line(1),
    )
    context.questions |= {asked.question}
    return Question(name, SignedLink(asked.asked_by, asked.question), values)


class QuestionOperation(Operation, kw_only=True):
    """A handler asks a question, and does not wait."""

    name: str
    choices: list[str]
    text: str
    valid_for: float | None
    source: str

    request = e.QuestionAsked

    def is_recorded_as(self, recorded: e.QuestionAsked) -> bool:
        return recorded.name == self.name and recorded.choices == self.choices

    def schedule(self) -> None:
        from actors.model.link_signer import question_id  # few handlers ask

        branch: Branch = self.branch
        execution = branch.execution
        self.event = e.QuestionAsked(
            invocation_id=execution.invocation_id,
            step=self.step,
            name=self.name,
            question=question_id(context_of(branch).unique()),
            asked_by=execution.invocation_id,
            choices=self.choices,
            text=self.text,
            expires_at=None if self.valid_for is None else min(execution.live_now + self.valid_for, NEVER),
            source=self.source,
        )


def _checked_choices(choices: Mapping[str, Any]) -> dict[str, Any]:
    if not is_a(choices, dict) or not 0 < len(choices) <= MAX_CHOICES:
        raise InvalidArgumentError(
            f"choices is {shown(choices)}, expected a dictionary with 1 to {MAX_CHOICES} texts and their values",
            path="choices",
        )
    return {checked_name(choice, "choices", MAX_CHOICE): value for choice, value in dict.items(choices)}

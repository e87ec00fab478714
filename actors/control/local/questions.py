"""Questions of handlers, which the holders of their links read and answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from actors.control.local.services import LocalServices
from actors.core import commands as c
from actors.core.decide.calls import closed_question, expired_link
from actors.core.owed import has_yet_to_keep
from actors.core.state import existing
from actors.errors import ConflictError, ErrorCode, InvalidArgumentError, NotFoundError, UnavailableError
from actors.model.question_info import QuestionInfo
from actors.rows.audit import Principal
from actors.values.texts import shown
from journal import events as e
from journal.errors import BrokenInvariant
from journal.events import Target
from journal.ids import InvocationId, stream_of_invocation

if TYPE_CHECKING:
    from actors.core.state import InvocationState, ObjectState, OpenQuestion
    from actors.model.link_signer import LinkSigner


class LocalQuestions(LocalServices):
    """Reads and answers questions by the tokens of their links. The audit log names the link as the author of an answer."""

    async def question_of_link(self, token: str) -> QuestionInfo:
        """Return the question of a link.

        Raises :class:`actors.errors.AccessDeniedError` for a token that was not signed here, and :class:`actors.ConflictError`
        (``question_closed``, ``link_expired``).
        """
        of, question = self._links.read(token)
        async with self.snapshot() as snapshot:
            stream = stream_of_invocation(of)
            state = snapshot.object(stream)
            invocation, found = _open_question(state, of, question)
            if found.has_expired(snapshot.now):
                raise expired_link("")
            [recorded] = snapshot.events(stream, found.number, found.number)
        asked, asker = recorded.event, existing(state)
        if not isinstance(asked, e.QuestionAsked):
            raise BrokenInvariant(f"event {found.number} of {invocation.invocation_id} asks no question")
        return QuestionInfo(
            invocation_id=invocation.invocation_id,
            name=asked.name,
            text=asked.text,
            choices=tuple(asked.choices),
            target=Target(asker.service, asker.key, invocation.handler),
            asked_at=recorded.stamp.at,
            expires_at=asked.expires_at,
        )

    async def answer_by_link(self, token: str, choice: str) -> QuestionInfo:
        """Answer the question of a link; durable on return. A second answer is refused.

        Raises as :meth:`question_of_link` does, and :class:`actors.InvalidArgumentError` for another choice.
        """
        info = await self.question_of_link(token)
        if choice not in info.choices:
            raise InvalidArgumentError(
                f"the answer is {shown(choice)}, expected one of {', '.join(info.choices)}", path="answer"
            )
        _, question = self._links.read(token)
        value = msgspec.json.encode(choice)
        of = info.invocation_id
        command = c.SignalInvocation(invocation_id=of, name=info.name, value=value, question=question)
        try:
            await self.engine.obey(command, of, Principal(f"link:{question}", self.who.source))
        except (
            ConflictError,
            NotFoundError,
        ) as refusal:  # since the question was read, another answer may have ended the invocation
            if refusal.code in (ErrorCode.ALREADY_COMPLETED, ErrorCode.NOT_FOUND, ErrorCode.GONE):
                raise closed_question(info.name) from None
            raise
        return info

    @property
    def _links(self) -> LinkSigner:
        return self.engine.links


def _open_question(state: ObjectState | None, of: InvocationId, question: str) -> tuple[InvocationState, OpenQuestion]:
    """Return the open question with its invocation: the invocation in the link, or its latest restart, which is in the same object."""
    invocations = [] if state is None else [*state.invocations.values()]
    for invocation in reversed(invocations):
        found = invocation.questions.get(question)
        if found is not None and not found.is_closed:
            return invocation, found
    if any(map(has_yet_to_keep, invocations)):
        raise UnavailableError(f"{of} was restarted, and the restart has not begun; try again later")
    raise closed_question("")

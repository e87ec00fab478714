"""Signed links: the signature in the URL is the credential instead of a token.

These routes use no cookie and no token of the browser. So a form of another site has no more permissions than its author, who would need
the URL, and only these routes accept a form; every other body must be JSON. A GET changes nothing, because mail scanners follow links.
"""

from __future__ import annotations

from typing import Annotated

import attrs
import msgspec

from actors.errors import AccessDeniedError, ConflictError, RefusedError
from actors.http.messages import FORM, HttpResponse
from actors.http.problems import problem_of, respond_with
from actors.http.routes import Route
from actors.http.server.access import media_type_of
from actors.http.server.question_page import answered_page, question_page, refused_page
from actors.http.server.request_context import Exchange
from actors.model.link_signer import PATH
from actors.model.question_info import QuestionInfo
from actors.model.verbs.questions import MAX_CHOICE
from journal.ids import InvocationId

_BODY_BYTES = 4 << 10


@attrs.frozen(kw_only=True)
class AnswerBody:
    """The answer to a question: one of its choices."""

    answer: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CHOICE)]


@attrs.frozen(kw_only=True)
class AnsweredModel:
    """The answer to a question is recorded."""

    invocation_id: InvocationId
    name: str
    answer: str


async def show_question(exchange: Exchange) -> QuestionInfo | HttpResponse:
    """Show the question of a signed link, as a page or as JSON. Changes nothing."""
    wants_page = _accepts_page(exchange)
    try:
        question = await exchange.client.question_of_link(exchange.path["token"])
    except RefusedError as refusal:
        if isinstance(refusal, AccessDeniedError):
            await exchange.note_denied(refusal)
        return _refused(refusal, wants_page=wants_page)
    return question_page(question) if wants_page else question


async def answer_question(exchange: Exchange, body: AnswerBody) -> AnsweredModel | HttpResponse:
    """Answer the question of a signed link, once."""
    wants_page = media_type_of(exchange.request) == FORM or _accepts_page(exchange)
    try:
        question = await exchange.client.answer_by_link(exchange.path["token"], body.answer)
    except RefusedError as refusal:
        if isinstance(refusal, (AccessDeniedError, ConflictError)):
            await exchange.note_denied(refusal)
        return _refused(refusal, wants_page=wants_page)
    if wants_page:
        return answered_page(question, body.answer)
    return AnsweredModel(invocation_id=question.invocation_id, name=question.name, answer=body.answer)


def _accepts_page(exchange: Exchange) -> bool:
    return "text/html" in exchange.request.headers.get("accept")


def _refused(refusal: RefusedError, *, wants_page: bool) -> HttpResponse:
    return refused_page(str(refusal), problem_of(refusal).status) if wants_page else respond_with(refusal)


ROUTES = (
    Route("GET", PATH + "{token}", None, show_question, has_page=True),
    Route("POST", PATH + "{token}", None, answer_question, body_bytes=_BODY_BYTES, accepts_form=True, has_page=True),
)

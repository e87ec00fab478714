"""The pages of a signed link: a question with its buttons, the recorded answer, or the reason for a refusal.

The pages have no script and load nothing. The policy allows their style sheet, by its hash, and a form that is sent to this server.
The referrer is sent to this server only. Other sites must not learn the URL, and without a referrer a browser would send the form with
``Origin: null``, which the server refuses.
"""

from __future__ import annotations

import base64
import datetime
import hashlib
from html import escape
from typing import TYPE_CHECKING

from actors.http.messages import HTML, HttpResponse

if TYPE_CHECKING:
    from actors.model.question_info import QuestionInfo

_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}"
    "h1{font-size:1.25rem}.text{white-space:pre-wrap;overflow-wrap:anywhere}.by{color:#595959;font-size:.875rem;overflow-wrap:anywhere}"
    "button{font:inherit;padding:.5rem 1.25rem;margin:0 .5rem .5rem 0;border:1px solid #595959;border-radius:.375rem;"
    "background:#f4f4f4;color:inherit;cursor:pointer}"
    "@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}.by{color:#a8a8a8}button{background:#2b2b2b}}"
)
_POLICY = "; ".join(
    (
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()}'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {"content-security-policy": _POLICY, "referrer-policy": "same-origin", "x-robots-tag": "noindex"}


def question_page(question: QuestionInfo) -> HttpResponse:
    """Return the page of a question, with a button for each choice."""
    buttons = "".join(
        f'<button name="answer" value="{escape(choice)}">{escape(choice)}</button>' for choice in question.choices
    )
    expires = "" if question.expires_at is None else f" The link works until {_moment(question.expires_at)}."
    return _page(
        "Please answer",
        f'<p class="text">{escape(question.text)}</p><form method="post">{buttons}</form>'
        f'<p class="by">Asked by {escape(str(question.target))} on {_moment(question.asked_at)}.{expires}</p>',
    )


def answered_page(question: QuestionInfo, choice: str) -> HttpResponse:
    """Return the page after an answer."""
    return _page(
        "Your answer is recorded",
        f'<p class="text">{escape(question.text)}</p><p>You answered: <strong>{escape(choice)}</strong>.</p>'
        f'<p class="by">Asked by {escape(str(question.target))}.</p>',
    )


def refused_page(why: str, status: int) -> HttpResponse:
    """Return the page for a link that cannot be used."""
    return _page("This link cannot be used", f"<p>{escape(why[:1].upper() + why[1:])}.</p>", status)


def _page(title: str, body: str, status: int = 200) -> HttpResponse:
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}</html>"
    )
    return HttpResponse(page.encode(), status, _HEADERS, media_type=HTML)


def _moment(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")

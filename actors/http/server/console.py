"""Serves the files of the console, each under a route of its own: no request path is ever looked up on the disk.

The page works under any prefix, because every address in it is relative. Its content security policy allows only its
own files. Vendored modules import each other by bare names (``preact``), which only an import map can resolve, and a
browser accepts an import map only inside the page, so the policy contains the hash of that map. Vendored files are in
folders with their version in the name and may be cached forever; the others are revalidated by their tag.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import attrs
import trio

from actors.http.messages import HttpResponse
from actors.http.routes import Route
from actors.http.server.request_context import Exchange
from journal.errors import BrokenInvariant

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from importlib.resources.abc import Traversable

ROOT = files("actors.http.console") / "static"
PAGE = "index.html"

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""The served types by suffix; other files are for readers of the source."""


_VENDORED = "vendor/"
_FOR_EVER = "public, max-age=31536000, immutable"
_IMPORT_MAP = re.compile(rb'<script type="importmap">(.*?)</script>', re.DOTALL)


@attrs.frozen
class StaticFile:
    """A file of the console, with its content type and headers."""

    content: bytes
    media_type: str
    tag: str
    headers: dict[str, str]


async def _redirect(_: Exchange) -> HttpResponse:
    """Redirect to the console."""
    await trio.lowlevel.checkpoint()
    return HttpResponse(status_code=307, headers={"location": "ui/"})


def _paths(folder: Traversable, prefix: str = "") -> Iterator[str]:
    for entry in sorted(folder.iterdir(), key=lambda entry: entry.name):
        name = prefix + entry.name
        if entry.is_dir():
            yield from _paths(entry, name + "/")
        elif name[name.rfind(".") :] in _TYPES:
            yield name


@cache
def static_file(path: str) -> StaticFile:
    """Read a file below ``static``, once."""
    content = ROOT.joinpath(*path.split("/")).read_bytes()
    if path == PAGE:
        # Each file imports the next, so without these links the browser would discover the last ones late.
        modules = (name for name in _paths(ROOT) if name.endswith((".js", ".mjs")))
        links = "".join(f'<link rel="modulepreload" href="{name}">\n' for name in modules)
        content = content.replace(b"</head>", links.encode() + b"</head>")
    headers = {"cache-control": _FOR_EVER if path.startswith(_VENDORED) else "no-cache"}
    if path == PAGE:
        headers["content-security-policy"] = policy(content)
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    return StaticFile(content, _TYPES[path[path.rfind(".") :]], tag, headers | {"etag": tag})


def policy(page: bytes) -> str:
    """Return the content security policy, which allows the page's own files and its import map."""
    found = _IMPORT_MAP.search(page)
    if found is None:
        raise BrokenInvariant("the page has no import map")
    digest = base64.b64encode(hashlib.sha256(found[1]).digest()).decode()
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'sha256-{digest}'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "require-trusted-types-for 'script'",
        )
    )


def _serving(path: str) -> Callable[[Exchange], Awaitable[HttpResponse]]:
    async def serve(exchange: Exchange) -> HttpResponse:
        await trio.lowlevel.checkpoint()
        file = static_file(path)
        if file.tag in exchange.request.headers.get("if-none-match"):
            return HttpResponse(status_code=304, headers=file.headers)
        return HttpResponse(file.content, headers=file.headers, media_type=file.media_type)

    serve.__doc__ = f"{path} of the console."
    return serve


def _file_route(path: str) -> Route:
    return Route("GET", "/ui/" + ("" if path == PAGE else path), None, _serving(path), is_documented=False)


ROUTES = (
    Route("GET", "/", None, _redirect, is_documented=False),
    Route("GET", "/ui", None, _redirect, is_documented=False),
    *map(_file_route, _paths(ROOT)),
)

"""The token that opens a server: made at first start, found by whoever may read the data directory."""

from __future__ import annotations

import hmac
import os
import secrets
from pathlib import Path

_TOKEN_BYTES = 32


def token_path(directory: Path) -> Path:
    """Where the token of a data directory lies."""
    return directory / "token"


def make_token(directory: Path) -> str:
    """The token of a data directory, made if there is none: 256 bits, readable by its owner only."""
    path = token_path(directory)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        return path.read_text().strip()
    with os.fdopen(descriptor, "w") as file:
        token = secrets.token_urlsafe(_TOKEN_BYTES)
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    return token


def is_authorized(header: str | None, token: str) -> bool:
    """Whether an Authorization header carries the token; takes the same time whatever it carries."""
    given = header[7:] if header is not None and header[:7].lower() == "bearer " else ""
    return hmac.compare_digest(given.encode(), token.encode())

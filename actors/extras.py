"""The optional parts of an installation, and the error for a missing one.

An actor runs on trio, attrs, cattrs, msgspec, rocksdict, cronsim and tzdata alone. A server, a client over HTTP, SQL and the command line need more
packages; ``pyproject.toml`` lists them as extras.
"""

from __future__ import annotations

from importlib.util import find_spec

from actors.errors import MissingExtraError

EXTRAS = {
    "client": ("httpx2",),
    "server": ("h11",),
    "sql": ("apsw",),
    "cli": ("click", "rich", "watchfiles"),
    "mcp": ("mcp",),
    "openai": ("openai",),
    "anthropic": ("anthropic",),
    "postgres": ("psycopg",),
    "objects": ("obstore",),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "pydantic-ai": ("pydantic_ai",),
    "openai-agents": ("agents",),
    "langgraph": ("langgraph", "langchain_core"),
}
"""For each extra, the packages that it adds, by the names under which they are imported."""


def require(extra: str) -> None:
    """Raise :class:`actors.errors.MissingExtraError` if a package of this extra is not installed."""
    missing = tuple(name for name in EXTRAS[extra] if not _is_installed(name))
    if missing:
        raise MissingExtraError(
            f"this needs {' and '.join(missing)}, which is not installed: pip install 'playhead[{extra}]'",
            extra=extra,
            missing=missing,
        )


def require_for_cluster(address: str) -> None:
    """Raise :class:`actors.errors.MissingExtraError` if a package is not installed that a cluster at this address needs. NATS needs
    none."""
    if address.startswith(("s3://", "file://")):
        require("objects")
    elif not address.startswith(("nats://", "tls://")):
        require("postgres")


def _is_installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False

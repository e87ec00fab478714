"""The address of a journal in an object store: which bucket, which names in it, and which service. ::

s3://bucket/some/prefix?endpoint=https://minio.internal:9000&region=eu-central-1
file:///srv/playhead

Credentials are never part of it: they come from the environment, as for other programs that use S3.
"""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs

from journal.errors import MalformedAddress

_OPTIONS = frozenset({"endpoint", "region"})
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{2,254}")
_PREFIX = re.compile(r"[A-Za-z0-9._=-]+(?:/[A-Za-z0-9._=-]+)*")


@attrs.frozen(kw_only=True)
class ObjectAddress:
    """A bucket with the prefix of all names in it, and the service if it is not Amazon's; or a folder."""

    bucket: str = ""
    prefix: str = ""
    endpoint: str | None = None
    region: str | None = None
    folder: Path | None = None

    def __str__(self) -> str:
        if self.folder is not None:
            return str(self.folder)
        at = f" at {self.endpoint}" if self.endpoint else ""
        return f"the bucket {self.bucket!r}{at}"


def parse_address(address: str) -> ObjectAddress:
    """Read an address. Raises :class:`journal.errors.MalformedAddress`, whose text has no credentials."""
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise _unreadable(str(error)) from error
    if parts.fragment:
        raise _unreadable("it has a '#'")
    if parts.scheme == "file":
        return _folder(parts.netloc, unquote(parts.path), parts.query)
    if "@" in parts.netloc:
        raise _unreadable("it has credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment")
    if not _BUCKET.fullmatch(parts.netloc):
        raise _unreadable(f"the bucket is {parts.netloc!r}, expected 3 or more of a-z, A-Z, 0-9, '.', '_' and '-'")
    prefix = parts.path.strip("/")
    if prefix and not (_PREFIX.fullmatch(prefix) and not {".", ".."} & {*prefix.split("/")}):
        raise _unreadable(
            f"the prefix is {prefix!r}, expected names of a-z, A-Z, 0-9, '.', '_', '=' and '-' with '/' between them"
        )
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    for name in options.keys() - _OPTIONS:
        raise _unreadable(f"it has the option {name!r}, expected one of {', '.join(sorted(_OPTIONS))}")
    endpoint = options.get("endpoint")
    if endpoint is not None:
        _check_endpoint(endpoint)
    return ObjectAddress(bucket=parts.netloc, prefix=prefix, endpoint=endpoint, region=options.get("region"))


def _check_endpoint(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if "@" in parts.netloc:
        raise _unreadable("its endpoint has credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise _unreadable(f"its endpoint is {endpoint!r}, expected http://HOST:PORT or https://HOST:PORT")


def _folder(host: str, path: str, options: str) -> ObjectAddress:
    if host or options or not path.startswith("/") or path == "/":
        raise MalformedAddress("it has another form", of="a folder", such_as="file:///srv/playhead")
    return ObjectAddress(folder=Path(path))


def _unreadable(reason: str) -> MalformedAddress:
    return MalformedAddress(reason, of="an object store", such_as="s3://BUCKET/PREFIX?endpoint=https://HOST:PORT")

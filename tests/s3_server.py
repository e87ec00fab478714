"""A real S3 server for tests: moto, in a process of its own, which does one request after the other, so that it creates an object once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import quote
from urllib.request import Request, urlopen

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

KEY, SECRET = "tests-key", "tests-secret"
_BUCKET = "tests"
_PROGRAM = """
import io
import threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

moto = DomainDispatcherApplication(create_backend_app)
lock = threading.Lock()

def one_by_one(environ, start_response):
    size = int(environ.get("CONTENT_LENGTH") or 0)
    environ["wsgi.input"] = io.BytesIO(environ["wsgi.input"].read(size))  # a client may be stopped meanwhile
    with lock:
        return [*moto(environ, start_response)]

server = make_server("127.0.0.1", 0, one_by_one, threaded=True)
print(server.server_port, flush=True)
server.serve_forever()
"""


class S3Server:
    """A server with an empty bucket, which can be stopped and killed. What it has is in its memory."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "COV_"))},
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())
        self.tell("PUT", f"/{_BUCKET}")

    def address(self, prefix: str, bucket: str = _BUCKET) -> str:
        endpoint = quote(f"http://127.0.0.1:{self.port}", safe="")
        return f"s3://{bucket}/{prefix}?endpoint={endpoint}&region=us-east-1"

    def tell(self, method: str, path: str, body: bytes | None = None) -> None:
        headers = {"content-type": "text/plain"}
        asked = Request(f"http://127.0.0.1:{self.port}{path}", method=method, data=body, headers=headers)
        with urlopen(asked, timeout=60):
            pass

    def kill(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.communicate()


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server for the block."""
    server = S3Server()
    try:
        yield server
    finally:
        server.kill()


def use_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have credentials in the environment, and nothing else of an object store."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)

"""Signatures of requests between nodes, and of their answers, with a key that all nodes of a cluster have and no client.

A request is for one run of a node: the same bytes sent to another process, which has got its port, are refused. Its head carries the digest
of its body, the time and a random number, and a signature of all, so that a stranger's body is not even read, and a request that was
recorded on the network is refused when it is sent again (:mod:`actors.cluster.repeats`). An answer is signed for its request, which no other
request has. Nothing is encrypted.
"""

from __future__ import annotations

import hashlib
import hmac

import attrs

SCHEME = "Playhead-Node"


@attrs.frozen
class Signed:
    """The data that the signature of a request covers: the node it is sent to, the digest of its body, the sender's seconds since 1970-01-01
    UTC, and a random number. The texts are those of the headers."""

    to: str
    digest: str
    sent_at: str
    nonce: str


class NodeSigner:
    """Signs and verifies with the secret of a journal."""

    def __init__(self, secret: str) -> None:
        self._key = hmac.digest(secret.encode(), b"requests between nodes", "sha256")

    def of_request(self, signed: Signed) -> str:
        """Return the header ``authorization`` of a request."""
        return f"{SCHEME} {self._signature('request', signed.to, signed.digest, signed.sent_at, signed.nonce)}"

    def of_answer(self, request: str, body: bytes) -> str:
        """Return the signature of the answer to a request with this header ``authorization``."""
        return self._signature("answer", request, digest_of(body))

    def _signature(self, *texts: str) -> str:
        return hmac.digest(self._key, "\n".join(texts).encode(), "sha256").hex()


def digest_of(body: bytes) -> str:
    """Return the digest of a body."""
    return hashlib.sha256(body).hexdigest()


def is_equal(one: str, other: str) -> bool:
    """Report whether two texts are equal, in a time that says nothing about where they differ."""
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))

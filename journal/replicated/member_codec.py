"""The bytes of a member's record, wherever heartbeats are stored."""

from __future__ import annotations

import msgspec

from journal.errors import CorruptRecord
from journal.replicated.membership import Member


class _MemberRecord(msgspec.Struct, omit_defaults=True):
    """A field that a later version adds is ignored."""

    url: str = ""
    address: str = ""
    owned: dict[int, int] = {}
    registry_version: int = 0
    is_leaving: bool = False
    now: float = 0.0
    applied: dict[int, int] = {}
    is_draining: bool = False
    name: str = ""
    """Empty where the record is stored under the name."""


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_MemberRecord).decode


def encode_member(member: Member) -> bytes:
    """Encode what a heartbeat says."""
    return _encode(
        _MemberRecord(
            url=member.url,
            address=member.address,
            owned=dict(member.owned),
            registry_version=member.registry_version,
            is_leaving=member.is_leaving,
            is_draining=member.is_draining,
            now=member.now,
            applied=dict(member.applied),
            name=member.name,
        )
    )


def decode_member(record: bytes, name: str | None = None) -> Member:
    """Decode a heartbeat; ``name`` is under what it is stored. Raises :class:`CorruptRecord`."""
    try:
        said = _decode(record)
    except msgspec.MsgspecError as error:
        raise CorruptRecord(f"the heartbeat of node {name or '?'} cannot be decoded: {error}") from error
    return Member(
        name=said.name or name or "",
        url=said.url,
        address=said.address,
        owned=said.owned,
        registry_version=said.registry_version,
        is_leaving=said.is_leaving,
        is_draining=said.is_draining,
        now=said.now,
        applied=said.applied,
    )

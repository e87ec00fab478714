"""``playhead cluster``: the servers that share a journal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.groups import Group
from cli.options import reason_option, report_option, server_options
from cli.render.output import ago, out, out_json, safe, when

if TYPE_CHECKING:
    from collections.abc import Iterator

    from actors.model.node_info import NodeAnswer
    from cli.backend import ServerOptions
    from journal.replicated.membership import Heard
    from journal.replicated.status import ClusterStatus


@click.group(cls=Group)
def command() -> None:
    """Show the servers that share a journal, move what they own, and keep the journal small."""


@command.command()
@click.option(
    "--cluster",
    metavar="URL",
    envvar="PLAYHEAD_CLUSTER",
    required=True,
    help="The address of the cluster: postgresql://…, nats://… or s3://….",
)
@report_option
def status(cluster: str, output: str) -> None:
    """Show the journal, its partitions with their owners, and the nodes. It is read from where the journal is, so no server need run."""
    import time

    import trio

    from actors.extras import require_for_cluster

    require_for_cluster(cluster)
    from journal.replicated.place import place_at
    from journal.replicated.status import read_status

    found = trio.run(read_status, place_at(cluster))
    if output == "json":
        out_json(_as_json(found))
        return
    for line in _lines(found, time.time()):
        out(line)


@command.command()
@click.option(
    "--cluster",
    metavar="URL",
    envvar="PLAYHEAD_CLUSTER",
    required=True,
    help="The address of the cluster: postgresql://…, nats://… or s3://….",
)
def snapshot(cluster: str) -> None:
    """Create a snapshot now, and delete the log that two snapshots contain. No server need run, and those that run are not disturbed:
    the command reads the newest snapshot and the log after it, into the folder for temporary files ($TMPDIR).
    """
    import time
    from functools import partial

    import trio

    from actors.extras import require_for_cluster

    require_for_cluster(cluster)
    from journal.replicated.copies import take_snapshot
    from journal.replicated.place import place_at

    made = trio.run(partial(take_snapshot, place_at(cluster), now=time.time()))
    out(f"snapshot of {_megabytes(made.size)}, up to entry {', '.join(str(each.number) for each in made.positions)}")


@command.command()
@click.argument("app")
@click.option("--nodes", default=3, show_default=True, type=click.IntRange(1, 16), help="How many servers to run.")
@click.option(
    "--data",
    type=click.Path(path_type=Path),
    default=None,
    help="Keep all files there [default: a temporary directory].",
)
def up(app: str, nodes: int, data: Path | None) -> None:
    """Run a whole cluster on this machine, to try it out.

    It starts a PostgreSQL server, which must be installed, and servers of APP on loopback, and prints their addresses and their token.
    A server that is killed is reported, and the others take over. At SIGINT (Ctrl-C) or SIGTERM all of them end. Without --data, nothing is
    kept.
    """
    import trio

    from actors.extras import require

    require("postgres")
    require("server")
    from cli.local_cluster import run_cluster

    trio.run(run_cluster, app, data, nodes)


@command.command()
@click.argument("node")
@reason_option
@report_option
@server_options
def drain(node: str, reason: str, output: str, server: ServerOptions) -> None:
    """Move all partitions of NODE to the other nodes, for example before it is upgraded.

    Any node can be asked. NODE gets no partitions until 'undrain', or until its process ends; started again, it is another node. It still
    accepts requests, and sends them to the owners.
    """
    from cli.run import ask

    _show_node(ask(server, lambda client: client.cluster.drain(node, reason=reason)), output)


@command.command()
@click.argument("node")
@reason_option
@report_option
@server_options
def undrain(node: str, reason: str, output: str, server: ServerOptions) -> None:
    """Offer partitions to NODE again. It gets its share a moment later."""
    from cli.run import ask

    _show_node(ask(server, lambda client: client.cluster.undrain(node, reason=reason)), output)


@command.command()
@click.argument("partition", type=click.IntRange(min=0))
@click.argument("node")
@reason_option
@report_option
@server_options
def move(partition: int, node: str, reason: str, output: str, server: ServerOptions) -> None:
    """Move PARTITION to NODE. Another partition may move in exchange, so that the loads stay even.

    Any node can be asked. The partition stays until NODE ends or is drained, or the partition is moved again.
    """
    from cli.run import ask

    _show_node(ask(server, lambda client: client.cluster.move(partition, node, reason=reason)), output)


def _show_node(answer: NodeAnswer, output: str) -> None:
    if output == "json":
        out_json(answer)
        return
    node = answer.node
    owned = " ".join(map(str, node.partitions)) or "none"
    out(f"{safe(node.name)}  {'changed' if answer.changed else 'unchanged'}  {node.state.value}, partitions: {owned}")


def _owner(found: ClusterStatus, partition: int) -> Heard | None:
    owners = [heard for heard in found.members if heard.is_alive and partition in heard.member.owned]
    return max(owners, key=lambda heard: heard.member.owned[partition], default=None)


def _lines(found: ClusterStatus, now: float) -> Iterator[str]:
    from cli.render.output import table_lines
    from cli.render.text_table import facts_lines

    made = found.snapshot
    yield from facts_lines(
        [
            ("store", found.identity.store_id),
            ("created", when(found.identity.created_at)),
            ("size", _megabytes(found.bytes_on_disk)),
            ("log", _megabytes(found.log_bytes)),
            ("snapshot", "none" if made is None else f"{_megabytes(made.size)}, {ago(made.made_at, now)}"),
        ]
    )
    yield ""
    partitions: list[list[str]] = []
    for partition, last in enumerate(found.entries):
        owner = _owner(found, partition)
        partitions.append([str(partition), str(last), "" if owner is None else owner.member.name])
    yield from table_lines(["PARTITION", "ENTRIES", "OWNER"], partitions)
    yield ""
    nodes = [
        [
            heard.member.name,
            _state(heard),
            heard.member.url,
            ago(heard.member.now, now),
            " ".join(map(str, sorted(heard.member.owned))) if heard.is_alive else "",
        ]
        for heard in sorted(found.members, key=lambda heard: heard.member.name)
    ]
    yield from table_lines(["NODE", "STATE", "URL", "BEAT", "PARTITIONS"], nodes)


def _megabytes(size: int) -> str:
    return f"{size / 1_000_000:.1f} MB"


def _state(heard: Heard) -> str:
    if not heard.is_alive:
        return "dead"
    if heard.member.is_leaving:
        return "leaving"
    return "draining" if heard.member.is_draining else "alive"


def _as_json(found: ClusterStatus) -> dict[str, Any]:
    owners = {partition: _owner(found, partition) for partition in range(len(found.entries))}
    return {
        "store_id": found.identity.store_id,
        "created_at": found.identity.created_at,
        "bytes_on_disk": found.bytes_on_disk,
        "log_bytes": found.log_bytes,
        "snapshot": None
        if found.snapshot is None
        else {
            "made_at": found.snapshot.made_at,
            "made_by": found.snapshot.made_by,
            "bytes": found.snapshot.size,
            "entries": [each.number for each in found.snapshot.positions],
        },
        "partitions": [
            {"partition": partition, "entries": last, "owner": None if owner is None else owner.member.name}
            for (partition, owner), last in zip(owners.items(), found.entries, strict=True)
        ],
        "nodes": [
            {
                "name": heard.member.name,
                "state": _state(heard),
                "beat_at": heard.member.now,
                "url": heard.member.url,
                "address": heard.member.address,
            }
            for heard in sorted(found.members, key=lambda heard: heard.member.name)
        ],
    }

"""``playhead serve``: run an app on a data directory and accept calls over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from cli.constants import RETENTION_SECONDS
from cli.options import DURATION, UP_TO_A_DAY, data_option, with_options

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from actors.cluster.options import ClusterOptions
    from actors.http.server_options import ServeOptions


def app_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a server: the app, the data directory, the address."""
    return with_options(
        command,
        click.argument("app"),
        data_option("The data directory; created if missing."),
        click.option("--host", default="127.0.0.1", show_default=True),
        click.option(
            "--port",
            default=9070,
            show_default=True,
            type=click.IntRange(0, 65535),
            help="The port; 0 takes any free port.",
        ),
    )


verbose_option = click.option("-v", "--verbose", is_flag=True, help="Log every decision.")


drain_option = click.option(
    "--drain",
    default="10s",
    show_default=True,
    type=UP_TO_A_DAY,
    help="How long running requests and steps may take to end when the server stops.",
)


@click.command()
@app_options
@click.option("--open", "is_open", is_flag=True, help="Require no token; on loopback only.")
@click.option("--allow-host", "hosts", multiple=True, help="Another host name that clients may use; repeatable.")
@click.option(
    "--public-url",
    metavar="URL",
    envvar="PLAYHEAD_PUBLIC_URL",
    default=None,
    help="What signed links begin with, such as https://objects.example.com [default: $PLAYHEAD_PUBLIC_URL].",
)
@click.option("--insecure-network", "is_insecure", is_flag=True, help="Allow a --host beyond loopback, without TLS.")
@click.option(
    "--cluster",
    metavar="URL",
    envvar="PLAYHEAD_CLUSTER",
    default=None,
    help="Keep the journal in PostgreSQL, NATS or an object store, and a copy in --data [default: $PLAYHEAD_CLUSTER].",
)
@click.option(
    "--cluster-listen",
    "listen",
    metavar="HOST:PORT",
    envvar="PLAYHEAD_CLUSTER_LISTEN",
    default=None,
    help="Take requests of the other servers there [default: --host, any free port].",
)
@click.option(
    "--advertise",
    metavar="HOST:PORT",
    envvar="PLAYHEAD_ADVERTISE",
    default=None,
    help="Where the other servers reach this one [default: --cluster-listen].",
)
@click.option(
    "--snapshot-bytes",
    metavar="BYTES",
    type=int,
    envvar="PLAYHEAD_SNAPSHOT_BYTES",
    default=None,
    help="Make a snapshot of the cluster after that much of its log [default: 64 MiB].",
)
@click.option(
    "--durability",
    type=click.Choice(["fsync", "os"]),
    default="fsync",
    show_default=True,
    help="What an acknowledgement survives: a power cut, or the death of the process.",
)
@click.option(
    "--retention",
    type=DURATION,
    default=RETENTION_SECONDS,
    show_default=True,
    help="How long to keep results: seconds, 12h, 30d.",
)
@click.option(
    "--limit",
    "limits",
    multiple=True,
    metavar="NAME=VALUE",
    help="Change a limit of the runtime or the server; repeatable.",
)
@drain_option
@click.option(
    "--paused",
    is_flag=True,
    help="Start with everything held: new calls are accepted and wait for 'playhead gates open'.",
)
@click.option(
    "--otlp",
    metavar="URL",
    envvar="OTEL_EXPORTER_OTLP_ENDPOINT",
    default=None,
    help="Send traces to this OTLP receiver over HTTP [default: $OTEL_EXPORTER_OTLP_ENDPOINT].",
)
@verbose_option
def command(
    app: str,
    data: Path,
    host: str,
    port: int,
    is_open: bool,
    hosts: tuple[str, ...],
    public_url: str | None,
    is_insecure: bool,
    cluster: str | None,
    listen: str | None,
    advertise: str | None,
    snapshot_bytes: int | None,
    durability: str,
    retention: float,
    limits: tuple[str, ...],
    drain: float,
    paused: bool,
    otlp: str | None,
    verbose: bool,
) -> int:
    """Run APP (file.py or package.module) on a data directory and accept calls over HTTP.

    Unfinished invocations resume. SIGTERM or Ctrl-C stops it within --drain and a few more seconds, even if steps are
    still running; a second signal stops it at once. Steps that do not end are listed, and begin again at the next
    start.

    With --cluster, servers on several machines share one journal and its objects. Any of them can be asked for any
    object; when one ends or dies, the others take over what it ran.
    """
    from cli.limits import parse_limits
    from cli.server import serve_app

    runtime_limits, server_limits = parse_limits(limits)
    options = serve_options(host, port, hosts=hosts, open=is_open, insecure_network=is_insecure, limits=server_limits)
    return serve_app(
        app,
        data,
        options,
        cluster=cluster_options(cluster, listen, advertise, snapshot_bytes, insecure_network=is_insecure),
        durability=durability,
        retention=retention,
        limits=runtime_limits,
        drain=drain,
        is_paused=paused,
        public_url=public_url,
        otlp=otlp,
        is_verbose=verbose,
    )


def cluster_options(
    cluster: str | None,
    listen: str | None,
    advertise: str | None,
    snapshot_bytes: int | None = None,
    *,
    insecure_network: bool,
) -> ClusterOptions | None:
    """Return how a server takes part in a cluster. Raises :class:`click.UsageError` for an address that cannot be used."""
    from actors.cluster.options import ClusterOptions
    from actors.errors import InvalidArgumentError
    from journal.replicated.snapshots import SNAPSHOT_BYTES

    if cluster is None:
        if listen is not None or advertise is not None or snapshot_bytes is not None:
            raise click.UsageError("--cluster-listen, --advertise and --snapshot-bytes need --cluster")
        return None
    try:
        return ClusterOptions(
            cluster,
            listen=listen,
            advertise=advertise,
            insecure_network=insecure_network,
            snapshot_bytes=SNAPSHOT_BYTES if snapshot_bytes is None else snapshot_bytes,
        )
    except InvalidArgumentError as error:
        raise click.UsageError(str(error)) from error


def serve_options(host: str, port: int, **options: Any) -> ServeOptions:
    """Return the options of a server. Raises :class:`click.UsageError` for an address that cannot be used."""
    from actors.errors import InvalidArgumentError
    from actors.http.server_options import ServeOptions

    try:
        return ServeOptions(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", **options)
    except InvalidArgumentError as error:
        raise click.UsageError(str(error)) from error

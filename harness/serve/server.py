"""A server from its start to its end: one process that listens, one behind it that searches."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.routing import BaseRoute

from harness.diagnostics import HarnessError
from harness.serve.backend import Backend
from harness.serve.certificate import make_certificate
from harness.serve.engine_room import open_engine_room
from harness.serve.event_files import read_event_files
from harness.serve.family import list_families, open_family
from harness.serve.options import ServeOptions
from harness.serve.port_protocol import PortProtocol
from harness.supervisor import can_supervise

# Chosen, no source: twice the 200 clients of the load that it is made for.
MOST_CONNECTIONS = 1_000
IDLE_SECONDS = 30

Announce = Callable[[Mapping[str, int], Path | None], None]
"""Is told on which ports a server listens, by their names, and which file has its certificate."""


class PortServer(uvicorn.Server):
    """One of several servers in a process; signals end all of them."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to whoever runs the servers."""
        yield


def run_server(options: ServeOptions, announce: Announce) -> None:
    """Serves until it is interrupted. Raises HarnessError where it cannot listen."""
    if not can_supervise():
        raise HarnessError("no-limits", "a server needs Linux, where searches can be held within limits")
    sockets = open_sockets(options)
    options.data.mkdir(parents=True, exist_ok=True)
    options.data.chmod(0o700)
    # Before anything that starts a thread.
    room = open_engine_room(options)
    files = options.certificate
    if options.tls and files is None:
        files = make_certificate(options.data, options.host)
    try:
        asyncio.run(serve(options, sockets, Backend(options, room), files if options.tls else None, announce))
    finally:
        for each in sockets.values():
            each.close()


def open_sockets(options: ServeOptions) -> dict[str, socket.socket]:
    """A listening socket for each port, by its name; ports of one number share it."""
    found: dict[str, socket.socket] = {}
    by_number: dict[int, socket.socket] = {}
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    used = {port for name in list_families() for port in open_family(name).ports}
    for name, number in options.ports.items():
        if name not in used:
            continue
        if number and number in by_number:
            found[name] = by_number[number]
            continue
        made = socket.socket(family, socket.SOCK_STREAM)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            made.bind((options.host, number))
        except OSError as error:
            hint = f"choose another one with --{name}-port"
            message = f"{options.host}:{number} cannot be listened on: {(error.strerror or str(error)).lower()}"
            raise HarnessError("port-taken", message, help=hint) from error
        found[name] = by_number[number] = made
    return found


async def serve(
    options: ServeOptions,
    sockets: Mapping[str, socket.socket],
    backend: Backend,
    files: tuple[Path, Path] | None,
    announce: Announce,
) -> None:
    """Serves all ports until a signal comes."""
    await backend.open()
    routes: dict[socket.socket, list[BaseRoute]] = {}
    for family in list_families():
        for port, own in open_family(family).routes(backend).items():
            routes.setdefault(sockets[port], []).extend(own)
    servers = [(open_port(own, files), listening) for listening, own in routes.items()]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop_servers, [server for server, _ in servers])
    await read_event_files(backend, options.events)
    # Whoever reads where it listens may connect at once.
    for listening in routes:
        listening.listen(MOST_CONNECTIONS)
    announce({name: each.getsockname()[1] for name, each in sockets.items()}, files[0] if files else None)
    await asyncio.gather(*(server.serve(sockets=[listening]) for server, listening in servers))
    await backend.close()


def stop_servers(servers: list[PortServer]) -> None:
    """Lets all servers end; at the second time at once."""
    for server in servers:
        server.force_exit, server.should_exit = server.should_exit, True


def open_port(routes: list[BaseRoute], files: tuple[Path, Path] | None) -> PortServer:
    """The server of one port."""
    chosen = uvicorn.Config(
        Starlette(routes=routes),
        http=PortProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=3,
        ssl_certfile=str(files[0]) if files else None,
        ssl_keyfile=str(files[1]) if files else None,
    )
    chosen.load()
    if chosen.ssl is not None:
        # A client that only writes and closes, as splunk-sdk's `attach`, leaves tickets unread; its kernel then resets
        # the connection, and what is still on its way is lost.
        chosen.ssl.num_tickets = 0
    return PortServer(chosen)

"""The workbench from its start to its end: one process that listens on this machine, one behind it that runs rules."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from secrets import token_urlsafe

import uvicorn
from starlette.applications import Starlette

from harness.diagnostics import HarnessError
from harness.run_options import RunOptions
from harness.serve.port_protocol import PortProtocol
from harness.serve.request_body import BodiesInFlight
from harness.supervisor import can_supervise
from harness.workbench.endpoints import Endpoints
from harness.workbench.guard import Guard
from harness.workbench.project_rules import WorkFolder
from harness.workbench.room_client import RoomClient
from harness.workbench.study_room import open_study_room
from harness.workbench.workbench import Workbench

LOOPBACK_ADDRESS = "127.0.0.1"
# Chosen, no source: a page has some ten requests open at once.
MOST_CONNECTIONS = 64
IDLE_SECONDS = 30

Announce = Callable[[str], None]
"""Is told the address that opens the workbench, its token included."""


def run_workbench(folder: WorkFolder, opened: Path | None, port: int, chosen: RunOptions, announce: Announce) -> None:
    """Serves until it is interrupted. Raises HarnessError where it cannot listen."""
    if not can_supervise():
        raise HarnessError("no-limits", "the workbench needs Linux, where rules can be held within limits")
    listening = open_loopback(port)
    try:
        # Before anything that starts a thread.
        room = open_study_room(chosen)
        asyncio.run(serve_page(folder, opened, listening, RoomClient(room), announce))
    finally:
        listening.close()


def open_loopback(port: int) -> socket.socket:
    """A socket that only this machine reaches. Raises HarnessError where the port is taken."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((LOOPBACK_ADDRESS, port))
    except OSError as error:
        made.close()
        message = f"{LOOPBACK_ADDRESS}:{port} cannot be listened on: {(error.strerror or str(error)).lower()}"
        raise HarnessError("port-taken", message, help="choose another one with --port") from error
    return made


async def serve_page(
    folder: WorkFolder, opened: Path | None, listening: socket.socket, room: RoomClient, announce: Announce
) -> None:
    """Serves the page until a signal comes."""
    bench = Workbench(folder, room, opened)
    port, token = listening.getsockname()[1], token_urlsafe(32)
    behind = Starlette(routes=Endpoints(bench, BodiesInFlight()).routes())
    chosen = uvicorn.Config(
        Guard(behind, port, token),
        http=PortProtocol,
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    server = PageServer(chosen)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, server.stop)
    await bench.open()
    listening.listen(MOST_CONNECTIONS)
    # Behind `#`: a browser keeps that part to itself.
    announce(f"http://{LOOPBACK_ADDRESS}:{port}/#{token}")
    try:
        await server.serve(sockets=[listening])
    finally:
        with suppress(HarnessError):
            await bench.close()


class PageServer(uvicorn.Server):
    """The server of the page; signals are its owner's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to whoever runs the server."""
        yield

    def stop(self) -> None:
        """Ends; at the second time at once."""
        self.force_exit, self.should_exit = self.should_exit, True

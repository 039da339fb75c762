"""The server's side of a child that reads documents: asks, waits no longer than it may, kills, starts anew."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from harness.diagnostics import HarnessError
from harness.editor.message_frame import MESSAGE_LENGTH, encode_message

# The first start after an installation writes byte code; chosen, no source.
SECONDS_TO_START = 60.0
# `-P`: the folder that an editor was started in is no place for Python's modules.
WORKER_PROGRAM = ("-P", "-m", "harness.editor.worker")


class WorkerKilledError(HarnessError):
    """A child that was killed before it answered, since the answer took too long or is no longer wanted."""


class WorkerProcess:
    """One child, started when it is first asked; it answers one question after the other."""

    def __init__(self) -> None:
        """Nothing runs yet."""
        self.process: Process | None = None
        self.turn = asyncio.Lock()
        self.number = 0
        self.busy = False
        self.subject = ""
        self.tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> Process:
        """The running child. Raises HarnessError where it does not come up."""
        if self.process is not None and self.process.returncode is None:
            return self.process
        # In a group of its own: a terminal sends Ctrl-C to all of a group, and whoever started this one ends it.
        process = await asyncio.create_subprocess_exec(
            sys.executable, *WORKER_PROGRAM, stdin=PIPE, stdout=PIPE, process_group=0
        )
        self.process = process
        try:
            async with asyncio.timeout(SECONDS_TO_START):
                await self.receive(process)
        except (TimeoutError, asyncio.IncompleteReadError) as error:
            self.kill()
            raise HarnessError("no-worker", "the process that reads documents does not start") from error
        return process

    async def ask(self, request: Mapping[str, Any], seconds: float) -> Any:
        """The answer to a request. Raises WorkerKilledError where there is none in time, HarnessError for a failure.

        An editor takes most of its questions back while somebody types. The child then goes on all the same, since
        what is left in the pipe would be taken for the next answer, and starting another takes longer.
        """
        task = asyncio.get_running_loop().create_task(self.ask_in_turn(request, seconds))
        self.tasks.add(task)
        task.add_done_callback(self.forget_task)
        return await asyncio.shield(task)

    def forget_task(self, task: asyncio.Task[Any]) -> None:
        """Lets go of a question that has been answered, whether somebody still waits for it or not."""
        self.tasks.discard(task)
        if not task.cancelled():
            task.exception()

    async def ask_in_turn(self, request: Mapping[str, Any], seconds: float) -> Any:
        """The same, once all questions before it are answered."""
        async with self.turn:
            process = await self.start()
            self.number += 1
            self.busy, self.subject = True, request.get("uri", "")
            try:
                async with asyncio.timeout(seconds):
                    answer = await self.exchange(process, {**request, "id": self.number})
            except TimeoutError:
                self.kill()
                message = f"reading this took more than {seconds:g} s and was stopped"
                raise WorkerKilledError("time-limit", message, help="shorten it, or split it") from None
            except (asyncio.IncompleteReadError, ConnectionError, OSError):
                self.kill()
                raise WorkerKilledError("process-died", "the process that read this ended") from None
            finally:
                self.busy = False
        if "failure" in answer:
            raise HarnessError(answer["failure"]["code"], answer["failure"]["message"], help=answer["failure"]["help"])
        return answer["answer"]

    async def exchange(self, process: Process, request: Mapping[str, Any]) -> Any:
        """Sends a request and receives its answer."""
        assert process.stdin is not None
        process.stdin.write(encode_message(request))
        await process.stdin.drain()
        return await self.receive(process)

    async def receive(self, process: Process) -> Any:
        """The next message of the child."""
        assert process.stdout is not None
        (length,) = MESSAGE_LENGTH.unpack(await process.stdout.readexactly(MESSAGE_LENGTH.size))
        return json.loads(await process.stdout.readexactly(length))

    def abandon(self, subject: str, number: int) -> None:
        """Kills the child if it is still busy with a question about a document whose text nobody wants any more."""
        if self.busy and self.subject == subject and self.number == number:
            self.kill()

    def kill(self) -> None:
        """Ends the child at once, if it runs."""
        if self.process is not None and self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()
        self.process = None

"""PowerShell remoting behind the WS-Management server: psrpcore's server side, and pipelines run on a machine."""

import base64
import queue
import threading
import uuid
import xml.etree.ElementTree as ET

import psrpcore
from psrpcore import PSRPPayload, StreamType

from tests.winrm import soap
from tests.winrm.soap import NS, Fault, tag

HOST = r"C:\Windows\System32\wsmprovhost.exe"
# What %ComSpec% is; .NET puts quotes around the name of what it starts.
COMSPEC = r"C:\Windows\system32\cmd.exe"


class Collected:
    """The input and output of one command."""

    def __init__(self, data):
        self.input, self.stopped, self.input_ended = data, threading.Event(), threading.Event()
        self.input_ended.set()
        self.written = (bytearray(), bytearray())

    def out(self, text):
        self.written[0].extend(text if isinstance(text, bytes) else text.encode())

    def err(self, text):
        self.written[1].extend(text if isinstance(text, bytes) else text.encode())


class PowerShellShell:
    """A runspace pool."""

    def __init__(self, server, request):
        self.server = server
        shell = request.body.find("rsp:Shell", NS)
        self.id = (shell.get("ShellId") or str(uuid.uuid4())).upper()
        self.lock = threading.RLock()
        self.pool = psrpcore.ServerRunspacePool()
        self.queues = {None: queue.Queue()}
        self.running = {}
        self.finished = set()
        self.process = server.machine.started(server.machine.dcom, HOST, f"{HOST} -Embedding")
        content = next(e for e in shell if e.tag.endswith("creationXml"))
        self.take(base64.b64decode(content.text), None)

    def take(self, data, pipeline):
        with self.lock:
            self.pool.receive_data(PSRPPayload(data, StreamType.default, pipeline))
            while event := self.pool.next_event():
                if isinstance(event, psrpcore.CreatePipelineEvent):
                    self.begin(self.pool.pipeline_table[event.pipeline_id])
            self.flush()

    def flush(self):
        with self.lock:
            while payload := self.pool.data_to_send(30_000):
                self.queues.setdefault(payload.pipeline_id, queue.Queue()).put(payload.data)

    def begin(self, pipeline):
        command = pipeline.metadata.commands[0]
        line, stdin, milliseconds, most = (a for _, a in command.parameters)
        assert "Diagnostics.ProcessStartInfo" in command.command_text
        io = Collected(base64.b64decode(stdin))
        self.running[pipeline.pipeline_id] = io
        pipeline.start()
        arguments = (pipeline, str(line), io, int(milliseconds) / 1000, int(most))
        threading.Thread(target=self.execute, args=arguments, daemon=True).start()

    def execute(self, pipeline, line, io, seconds, most):
        code = []
        whole = f'"{COMSPEC}" /d /s /c "{line}"'
        worker = threading.Thread(
            target=lambda: code.append(self.server.machine.prompt(line, whole, self.process, io)), daemon=True
        )
        worker.start()
        worker.join(seconds)
        if not code:
            io.stopped.set()
            worker.join(5)
            code = ["timed out"]
        with self.lock:
            streams = (base64.b64encode(bytes(w[:most])).decode() for w in io.written)
            for value in (code[0], *streams, self.server.machine.code_page):
                pipeline.write_output(value)
            pipeline.complete()
            self.flush()
            self.finished.add(pipeline.pipeline_id)

    def receive(self, request):
        command = request.body.find(".//rsp:DesiredStream", NS).get("CommandId")
        pipeline = uuid.UUID(command) if command else None
        pending = self.queues.setdefault(pipeline, queue.Queue())
        try:
            data = pending.get(timeout=0.01 if pipeline in self.finished else min(request.timeout, 60))
        except queue.Empty:
            if pipeline in self.finished:
                return soap.received(request, command, [], 0, True, None)
            message = "The WS-Management service cannot complete the operation within the time specified."
            raise Fault(soap.TIMED_OUT, message, "w:TimedOut") from None
        streams, done = [("stdout", data, False)], pipeline in self.finished and pending.empty()
        return soap.received(request, command, streams, 0, done, lambda d: base64.b64encode(d).decode())

    def start(self, request, server):
        line = request.body.find(".//rsp:CommandLine", NS)
        command_id = (line.get("CommandId") or str(uuid.uuid4())).upper()
        psrpcore.ServerPipeline(self.pool, uuid.UUID(command_id))
        self.take(base64.b64decode(line.findtext("rsp:Arguments", "", NS)), uuid.UUID(command_id))
        response = ET.Element(tag("rsp:CommandResponse"))
        ET.SubElement(response, tag("rsp:CommandId")).text = command_id
        return soap.envelope(request, response)

    def send(self, request):
        stream = request.body.find(".//rsp:Stream", NS)
        command = stream.get("CommandId")
        self.take(base64.b64decode(stream.text or ""), uuid.UUID(command) if command else None)
        return soap.envelope(request, ET.Element(tag("rsp:SendResponse")))

    def signal(self, request, server):
        command = request.body.find(".//rsp:Signal", NS).get("CommandId")
        io = self.running.pop(uuid.UUID(command), None)
        if io:
            io.stopped.set()
        return soap.envelope(request, ET.Element(tag("rsp:SignalResponse")))

    def close(self):
        for io in self.running.values():
            io.stopped.set()
        self.server.machine.exited(self.process)

"""The workbench as people start it, in a process of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
from urllib.parse import urlsplit

PROGRAM = "from harness.cli.main import main; main()"


class WorkbenchProcess:
    """`detlab ui` in a folder, on a port that the system chose."""

    def __init__(self, folder, *options):
        command = [sys.executable, "-c", PROGRAM, "ui", "--json", *options]
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
        )
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.rstrip() == b"}":
                break
        if not lines:
            raise RuntimeError(self.process.stderr.read().decode())
        self.address = json.loads(b"".join(lines))["address"]
        self.port, self.token = urlsplit(self.address).port, urlsplit(self.address).fragment

    def ask(self, name, body, *, token=None, host=None):
        """Every line of an answer, with its status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {
            "Authorization": f"Bearer {self.token if token is None else token}",
            "Content-Type": "application/json",
        }
        if host:
            headers["Host"] = host
        connection.request("POST", f"/api/{name}", json.dumps({"page": "test", **body}), headers)
        answer = connection.getresponse()
        held = answer.read()
        connection.close()
        if answer.status != 200:
            return answer.status, []
        return answer.status, [json.loads(line) for line in held.splitlines() if line]

    def stop(self):
        """Ends it as Ctrl-C does; what it said on stderr."""
        # A terminal sends it to all of its processes.
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        said = self.process.stderr.read().decode()
        self.process.stdout.close()
        self.process.stderr.close()
        return said

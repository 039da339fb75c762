"""A server as people start it, in a process of its own, and a plain client of it."""

import base64
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

TOKEN = "token-of-the-tests"


@dataclass
class ServerProcess:
    """`detlab serve` with its ports chosen by the system."""

    data: str
    options: tuple[str, ...] = ()
    process: subprocess.Popen | None = None
    started: dict = field(default_factory=dict)

    def start(self):
        ports = [f"--{name}-port=0" for name in ("splunk", "hec", "logscale")]
        program = "from harness.cli.main import main; main()"
        command = [sys.executable, "-c", program, "serve", "--data", self.data, "--json", *ports, *self.options]
        if "--token-env" not in self.options:
            command += ["--token-env", "DETLAB_TEST_TOKEN"]
        environment = {**os.environ, "DETLAB_TEST_TOKEN": TOKEN}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
        lines = []
        # One JSON document, over several lines.
        for line in self.process.stdout:
            lines.append(line)
            if line.rstrip() == b"}":
                break
        if not lines:
            raise RuntimeError(self.process.stderr.read().decode())
        self.started = json.loads(b"".join(lines))
        return self

    def port(self, name):
        return urlsplit(self.started["addresses"][name]).port

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.close()

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
        said = self.process.stderr.read().decode()
        self.close()
        return said

    def close(self):
        self.process.stdout.close()
        self.process.stderr.close()

    def connection(self, name):
        if "--plain" in self.options:
            return http.client.HTTPConnection("127.0.0.1", self.port(name), timeout=60)
        context = ssl.create_default_context(cafile=self.started["certificate"])
        return http.client.HTTPSConnection("127.0.0.1", self.port(name), timeout=60, context=context)

    def ask(self, method, path, body=None, *, port="splunk", headers=None, token=TOKEN):
        """Status and body of one request; a mapping as the body is a form."""
        given = {} if token is None else {"Authorization": f"Splunk {token}"}
        if isinstance(body, dict):
            body = urlencode(body, doseq=True)
            given["Content-Type"] = "application/x-www-form-urlencoded"
        connection = self.connection(port)
        try:
            connection.request(method, path, body, {**given, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def send(self, *events, headers=None, path="event"):
        """Events to the collector, each an envelope."""
        body = "".join(json.dumps(event) for event in events)
        status, answer = self.ask("POST", f"/services/collector/{path}", body, port="hec", headers=headers)
        return status, json.loads(answer)

    def search(self, text, **parameters):
        """The rows of a search."""
        given = {"search": text, "exec_mode": "oneshot", "output_mode": "json", "count": 0, **parameters}
        status, answer = self.ask("POST", "/services/search/jobs", given)
        assert status == 200, answer
        return json.loads(answer)["results"]


def basic(user, password):
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}

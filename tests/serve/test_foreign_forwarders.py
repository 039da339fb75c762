"""Forwarders that nobody here wrote send to the collector over TLS: each skips where it is not installed."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.serve.server_process import TOKEN
from tests.serve.test_collector import make_index

pytestmark = pytest.mark.more

# Reference: syslog-ng, Administration Guide, "http: Posting messages over HTTP": its example for Splunk.
SYSLOG_NG = """@version: 3.38
options { keep-hostname(yes); };
source s_file { file("FOLDER/in.log" follow-freq(1) flags(no-parse)); };
destination d_hec {
  http(
    url("https://127.0.0.1:PORT/services/collector/event")
    headers("Authorization: Splunk TOKEN")
    tls(ca-file("CA") peer-verify(yes))
    method("POST") batch-lines(50) batch-timeout(500) delimiter("")
    body('$(format-json time=$S_UNIXTIME host=web7 index=INDEX source=syslog-ng sourcetype=shop:log event=$MSG)')
  );
};
log { source(s_file); destination(d_hec); flags(flow-control); };
"""
LOGGING = """import logging, sys
from splunk_handler import SplunkHandler
host, port, token, ca, index = sys.argv[1:]
handler = SplunkHandler(host=host, port=port, token=token, index=index, verify=ca, sourcetype="shop:log",
                        source="splunk-handler", hostname="web7", flush_interval=0.5)
logger = logging.getLogger("shop")
logger.addHandler(handler)
for number in range(200):
    logger.warning("order=%d state=paid", number)
# Flushes what waits, as at the end of any program.
logging.shutdown()
"""
NODE = """const { Logger } = require(process.argv[2]);
const [token, url, index] = process.argv.slice(3);
const logger = new Logger({ token, url, batchInterval: 0, maxBatchCount: 50 });
logger.requestOptions.strictSSL = true;
let sent = 0;
for (let number = 0; number < 200; number++) {
  logger.send({ message: { order: number, state: "paid" },
                metadata: { index, host: "web7", source: "splunk-logging", sourcetype: "shop:log" } },
              () => { sent += 1; });
}
"""


OWN_FILES = {"cfgfile": "syslog-ng.conf", "persist-file": "persist", "pidfile": "pid", "control": "control"}


def find_node_package(name):
    """The folder of a package of Node that NODE_PATH has."""
    folders = [Path(folder) / name for folder in os.environ.get("NODE_PATH", "").split(":") if folder]
    return next((folder for folder in folders if folder.is_dir()), None)


def wait_for_orders(server, index, source):
    """The rows once all orders are there."""
    until = time.monotonic() + 120
    # splunk-logging puts what is sent below `message`.
    fields = "eval order=coalesce(order, 'message.order') | stats count dc(order) as orders"
    asked = f"search index={index} source={source} sourcetype=shop:log host=web7 | {fields}"
    while (found := server.search(asked)) != [{"count": "200", "orders": "200"}]:
        assert time.monotonic() < until, found
        time.sleep(0.5)


def test_syslog_ng_sends_what_stands_in_a_file(server, tmp_path):
    program = shutil.which("syslog-ng") or shutil.which("syslog-ng", path="/usr/sbin")
    if program is None:
        pytest.skip("syslog-ng is not installed (Debian: syslog-ng-core, syslog-ng-mod-http)")
    index = make_index(server, "syslog_ng")
    (tmp_path / "in.log").write_text("".join(f"order={n} state=paid\n" for n in range(200)))
    values = {
        "FOLDER": tmp_path,
        "PORT": server.port("hec"),
        "TOKEN": TOKEN,
        "CA": server.started["certificate"],
        "INDEX": index,
    }
    text = SYSLOG_NG
    for name, value in values.items():
        text = text.replace(name, str(value))
    (tmp_path / "syslog-ng.conf").write_text(text)
    own = [f"--{name}={tmp_path / file}" for name, file in OWN_FILES.items()]
    with (tmp_path / "log").open("wb") as log:
        command = [program, "--foreground", "--no-caps", "--stderr", *own]
        forwarder = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_for_orders(server, index, "syslog-ng")
        finally:
            forwarder.terminate()
            forwarder.wait(30)


def test_splunk_handler_sends_what_a_program_logs(server):
    pytest.importorskip("splunk_handler", reason="splunk-handler is not installed (PyPI)")
    index = make_index(server, "splunk_handler")
    where = ["127.0.0.1", str(server.port("hec")), TOKEN, server.started["certificate"], index]
    done = subprocess.run([sys.executable, "-c", LOGGING, *where], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    wait_for_orders(server, index, "splunk-handler")


def test_splunk_logging_of_node_sends_what_a_program_logs(server, tmp_path):
    node = shutil.which("node")
    package = find_node_package("splunk-logging")
    if node is None or package is None:
        pytest.skip("splunk-logging is not installed (npm; NODE_PATH names its folder)")
    index = make_index(server, "splunk_logging")
    (tmp_path / "send.js").write_text(NODE)
    command = [node, tmp_path / "send.js", package, TOKEN, server.started["addresses"]["hec"], index]
    environment = {"NODE_EXTRA_CA_CERTS": server.started["certificate"], "PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr
    wait_for_orders(server, index, "splunk-logging")

"""A sample of the pages on a server of Spark Connect, which PySpark brings along."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.detection.conformance import check_case
from harness.detection.engine import open_engine
from tests.detection import test_conformance as embedded

pytestmark = pytest.mark.more
pytest.importorskip("pyspark", reason="Spark is not installed: pip install 'detlab[spark]'")

# Conditions, functions of Python, and folds: each goes another way to the server.
SAMPLE = ("spl/where.md", "cql/branches.md", "spl/multikv.md", "spl/transaction.md")
SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
LOOPBACK = {
    "spark.connect.grpc.binding.address": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.ui.enabled": "false",
}


def find_free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


def answers(port):
    with socket.socket() as tried:
        tried.settimeout(1)
        return tried.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def spark(tmp_path_factory):
    port = find_free_port()
    settings = LOOPBACK | {"spark.connect.grpc.binding.port": str(port)}
    given = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    program = Path(sys.executable).parent / "spark-submit"
    command = [program, "--master", "local[2]", *given, "--class", SERVER, "spark-internal"]
    with (tmp_path_factory.mktemp("server") / "log").open("wb") as log:
        environment = {**os.environ, "PYSPARK_PYTHON": sys.executable}
        server = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            until = time.monotonic() + 180
            while not answers(port):
                assert server.poll() is None and time.monotonic() < until, Path(log.name).read_text()[-2000:]
                time.sleep(0.5)
            opened = open_engine(f"sc://127.0.0.1:{port}")
            yield opened
            opened.close()
        finally:
            server.terminate()
            server.wait(60)


@pytest.mark.parametrize("case", [p for p in embedded.every_case() if p.id.startswith(SAMPLE)])
def test_a_case_of_the_pages_holds_on_a_server(case, spark):
    problem = check_case(case, spark)
    assert problem is None, f"{case.place}\n{problem}"

"""The lab's services in containers, on a Docker Engine that the test starts for itself."""

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

import pytest

docker = pytest.importorskip("docker", reason="the package docker is not installed")

from harness.diagnostics import HarnessError  # noqa: E402
from harness.telemetry.lab.services import (  # noqa: E402
    Ports,
    connects,
    down,
    query_dns_sink,
    status,
    up,
)

LAB = Path(__file__).parents[3] / "lab"


@pytest.fixture(scope="module")
def engine():
    """An engine with its own socket, data and exec root."""
    if shutil.which("dockerd") is None:
        pytest.skip("no Docker Engine is installed (apt-get install docker.io containerd runc iptables)")
    if os.geteuid():
        pytest.skip("a Docker Engine is started by root only")
    folder = Path(tempfile.mkdtemp(prefix="detlab-docker-"))
    address = f"unix://{folder}/docker.sock"
    flags = [
        "--data-root",
        folder / "data",
        "--exec-root",
        folder / "exec",
        "--pidfile",
        folder / "pid",
        "--bip",
        "10.231.77.1/24",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["dockerd", "-H", address, *map(str, flags)], stdout=log, stderr=log)
    client = None
    try:
        client = answering(process, address, folder / "log")
        yield client
    finally:
        if client:
            client.close()
        process.terminate()
        process.wait(30)
        subprocess.run(["umount", "-l", str(folder / "data")], capture_output=True, check=False)
        shutil.rmtree(folder, ignore_errors=True)


def answering(process, address, log):
    """A client of an engine as soon as it answers; where it does not start the tests are skipped with the reason."""
    end = time.monotonic() + 30
    while process.poll() is None and time.monotonic() < end:
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(address.removeprefix("unix://")) == 0:
                return docker.DockerClient(base_url=address, timeout=60)
        time.sleep(0.1)
    told = log.read_text(errors="replace").splitlines()
    pytest.skip(f"the Docker Engine does not start here: {told[-1] if told else 'it says nothing'}")


def ports(count):
    with_socket = [socket.socket() for _ in range(count)]
    for one in with_socket:
        one.bind(("127.0.0.1", 0))
    found = [one.getsockname()[1] for one in with_socket]
    for one in with_socket:
        one.close()
    return found


def answers(service):
    """Whether a service runs and every port of it answers."""
    return service.running and all(service.answers.values())


def test_the_listener_runs_in_a_container_built_from_nothing(engine):
    web, raw, dns = ports(3)
    service = up("t1", LAB, Ports(http=(web,), tcp=(raw,), dns=(dns,), answer="192.0.2.53"), client=engine)
    assert answers(service), service
    request = urllib.request.Request(f"http://127.0.0.1:{web}/", headers={"User-Agent": "detlab/run-7"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    assert opener.open(request, timeout=5).read() == b"detlab listener\n"
    assert connects("127.0.0.1", raw)
    assert query_dns_sink("127.0.0.1", dns, "vps-gateway.test") == "192.0.2.53"
    assert query_dns_sink("127.0.0.1", dns, "www.python.org") == ""
    (now,) = status("t1", client=engine)
    assert answers(now)
    container = engine.containers.get(now.container)
    log = [json.loads(line) for line in container.logs().decode().splitlines() if line.startswith('{"time"')]
    assert any(s["kind"] == "http" and s["agent"] == "detlab/run-7" for s in log)
    bindings = container.attrs["HostConfig"]["PortBindings"]
    assert {b["HostIp"] for bound in bindings.values() for b in bound} == {"127.0.0.1"}
    assert container.attrs["HostConfig"]["CapDrop"] == ["ALL"]
    assert down("t1", client=engine) == 1
    assert status("t1", client=engine) == []
    assert not connects("127.0.0.1", web)


@pytest.mark.slow
def test_starting_again_replaces_what_runs_and_uses_the_image_again(engine):
    web = ports(1)
    assert answers(up("t2", LAB, Ports(http=web, tcp=(), dns=()), client=engine))
    images = len(engine.images.list())
    start = time.perf_counter()
    assert answers(up("t2", LAB, Ports(http=web, tcp=(), dns=()), client=engine))
    assert time.perf_counter() - start < 15
    assert (len(engine.images.list()), len(status("t2", client=engine))) == (images, 1)
    down("t2", client=engine)


@pytest.mark.slow
def test_a_port_in_use_is_one_clear_message_and_leaves_nothing(engine):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(HarnessError, match="the listener does not start"):
            up("t3", LAB, Ports(http=(taken.getsockname()[1],), tcp=(), dns=()), client=engine)
    assert status("t3", client=engine) == []


@pytest.mark.parametrize("address", ["0.0.0.0", "::", ""])
def test_no_service_listens_on_every_address(engine, address):
    with pytest.raises(HarnessError, match="do not listen on every address"):
        up("t4", LAB, Ports(bind=address), client=engine)


def test_no_engine_is_one_clear_message(monkeypatch):
    monkeypatch.setenv("DOCKER_HOST", "unix:///nonexistent/docker.sock")
    with pytest.raises(HarnessError) as caught:
        status("t5")
    assert (caught.value.code, caught.value.exit_code) == ("no-docker", 3)

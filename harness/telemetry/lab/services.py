"""The lab's listener and DNS sink, as a process or as containers with an image of their own."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import sysconfig
import tarfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.diagnostics import HarnessError, UnreachableError
from harness.late_pattern import late_pattern
from harness.record import record

LISTENER_SCRIPT = Path("listener") / "listener.py"
LISTENER_PATIENCE = 15.0
# UDP loses packets: asked again within the time, as a resolver does.
ATTEMPTS = 4

# Ports of the published tests: 8888 of 1 and 4, the three below of 3; 5353, since 53 needs root.
HTTP_PORTS = (8888,)
TCP_PORTS = (4444, 8080, 8443)
DNS_PORTS = (5353,)


@record(kw_only=True)
class Ports:
    """Which ports the listener opens, and where; a port of 0 is any that is free."""

    bind: str = "127.0.0.1"
    http: Sequence[int] = HTTP_PORTS
    tcp: Sequence[int] = TCP_PORTS
    dns: Sequence[int] = DNS_PORTS
    answer: str = "127.0.0.1"
    domains: Sequence[str] = ()

    def arguments(self, log: str) -> list[str]:
        """The listener's command-line arguments."""
        lists = {"--http": self.http, "--tcp": self.tcp, "--dns": self.dns}
        found = ["--bind", self.bind, "--answer", self.answer, "--log", log, "--domains", ",".join(self.domains)]
        for name, ports in lists.items():
            found += [name, ",".join(str(p) for p in ports)]
        return found


@record(kw_only=True)
class Running:
    """A listener that runs: its process, its open ports and its log."""

    pid: int
    bind: str
    ports: Mapping[str, Sequence[int]]
    log: Path
    process: Any = field(default=None, repr=False)

    def stop(self) -> None:
        """Ends the listener; a detached one only if its process is still a listener."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(LISTENER_PATIENCE)
            self.process.stdout.close()
        elif is_listener(self.pid):
            os.kill(self.pid, signal.SIGTERM)


def start_listener(lab: Path, ports: Ports, log: Path, *, detached: bool = False) -> Running:
    """Starts the listener of a lab's folder and waits until its ports are open; `detached` lets it outlive us."""
    script = lab / LISTENER_SCRIPT
    if not script.is_file():
        raise HarnessError("no-listener", f"there is no {script}", help="name the lab's folder with --lab")
    log.parent.mkdir(parents=True, exist_ok=True)
    errors = log.with_suffix(".errors")
    with errors.open("wb") as trouble:
        process = subprocess.Popen(
            # Neither the current folder nor the user's packages are on its path.
            [sys.executable, "-I", str(script), *ports.arguments(str(log))],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=trouble,
            start_new_session=detached,
        )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        process.wait(LISTENER_PATIENCE)
        process.stdout.close()
        said = errors.read_text("utf-8", "replace").strip().splitlines()
        hint = "another program may use a port; `detlab lab status` shows what runs"
        raise HarnessError(
            "listener", f"the listener does not start: {said[-1] if said else 'it says nothing'}", help=hint
        )
    told = json.loads(line)
    return Running(pid=process.pid, bind=told["bind"], ports=told["ready"], log=log, process=process)


def is_listener(pid: int) -> bool:
    """Whether a process is a listener of ours, not another one that was given its number later."""
    try:
        return str(LISTENER_SCRIPT).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def reachable(bind: str, ports: Mapping[str, Sequence[int]]) -> dict[str, bool]:
    """Which ports answer: `{"tcp 4444": True}`."""
    found = {f"{kind} {p}": connects(bind, p) for kind in ("http", "tcp") for p in ports.get(kind, ())}
    return {**found, **{f"dns {p}": bool(query_dns_sink(bind, p, "health.example")) for p in ports.get("dns", ())}}


def connects(host: str, port: int) -> bool:
    """Whether a TCP port takes a connection."""
    try:
        socket.create_connection((host, port), timeout=2).close()
    except OSError:
        return False
    return True


def query_dns_sink(host: str, port: int, name: str, *, timeout: float = 2.0) -> str:
    """The address that a DNS server gives for a name, or nothing."""
    labels = b"".join(bytes([len(part)]) + part.encode("ascii") for part in name.split("."))
    # Number `LA`, recursion desired, one question of type A in class IN.
    question = struct.pack(">HHHHHH", 0x4C41, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", 1, 1)
    answer = b""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.settimeout(timeout / ATTEMPTS)
        for _ in range(ATTEMPTS):
            try:
                udp.sendto(question, (host, port))
                answer = udp.recv(512)
                break
            except OSError:
                continue
    # Our own sink answers with one address record: its last four bytes.
    return ".".join(str(b) for b in answer[-4:]) if answer[6:8] == b"\0\1" else ""


def wait_until_open(
    bind: str, ports: Mapping[str, Sequence[int]], *, patience: float = LISTENER_PATIENCE
) -> dict[str, bool]:
    """Which ports answer, asked again until all do or patience ends."""
    end = time.monotonic() + patience
    while True:
        found = reachable(bind, ports)
        if all(found.values()) or time.monotonic() > end:
            return found
        time.sleep(0.1)


LEFT_OUT = frozenset(
    re.findall(
        r"\S+",
        "test tests idlelib tkinter turtledemo lib2to3 ensurepip site-packages __pycache__ distutils pydoc_data",
    )
)
# Lines of ldd: `libc.so.6 => /lib/libc.so.6 (0x7f..)`, and the loader without an arrow.
LIBRARY = late_pattern(r"(?:=>\s*)?(/\S+)\s+\(0x")
HOME = "python"

# From nothing: labs have no way to a registry, and what an image lacks cannot be misused. 65534 is nobody.
DOCKERFILE = """\
FROM scratch
COPY root/ /
ENV PYTHONHOME=/python DETLAB_CONTAINER=1 PYTHONDONTWRITEBYTECODE=1
USER 65534:65534
ENTRYPOINT ["/python/bin/python3", "-I", "-u", "/listener.py"]
"""


def build_image_context(script: Path) -> bytes:
    """A tar with a Dockerfile that starts from nothing and everything that the listener needs."""
    if not sys.platform.startswith("linux"):
        hint = "start the listener without containers: --no-docker"
        raise HarnessError("no-image", "an image can be built from this machine's Python on Linux only", help=hint)
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as tar:
        add_bytes_to_tar(tar, "Dockerfile", DOCKERFILE.encode())
        add_bytes_to_tar(tar, "root/listener.py", script.read_bytes())
        add_bytes_to_tar(tar, "root/tmp/.keep", b"")
        for target, source in sorted(find_image_files().items()):
            add_file_to_tar(tar, f"root/{target}", source)
    return found.getvalue()


def hash_image_label(script: Path) -> str:
    """Twelve hex digits of script, Python version and Dockerfile: an image's tag."""
    seed = script.read_bytes() + sys.version.encode() + DOCKERFILE.encode()
    return hashlib.sha256(seed).hexdigest()[:12]


def find_image_files() -> dict[str, Path]:
    """Path in the image to path on this machine: Python, its modules and their libraries."""
    # Resolved: links of a venv would lead nowhere in the image.
    standard = Path(sysconfig.get_path("stdlib")).resolve()
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    python = Path(sys.executable).resolve()
    found = {f"{HOME}/bin/python3": python}
    for path in modules(standard):
        found[f"{HOME}/lib/{version}/{path.relative_to(standard)}"] = path
    for path in {python, *(p for p in found.values() if p.suffix == ".so")}:
        for library in libraries(path):
            found[str(library).lstrip("/")] = library
    return found


def modules(standard: Path) -> Iterator[Path]:
    """The standard library without what a server does not need."""
    for folder, names, files in os.walk(standard):
        names[:] = [n for n in names if n not in LEFT_OUT and not n.startswith("config-")]
        yield from (Path(folder) / f for f in files if f.endswith((".py", ".so")))


def libraries(binary: Path) -> list[Path]:
    """Shared libraries that a program or module is linked with, the loader among them, by the names it asks for."""
    told = subprocess.run(["ldd", str(binary)], capture_output=True, text=True, check=False)
    return [Path(path) for path in LIBRARY.findall(told.stdout) if Path(path).is_file()]


def add_file_to_tar(tar: tarfile.TarFile, name: str, source: Path) -> None:
    """Puts a file in the tar, itself and not the link that leads to it, with the rights it needs and no more."""
    entry = tarfile.TarInfo(name)
    data = source.read_bytes()
    entry.size, entry.mode = len(data), 0o755 if os.access(source, os.X_OK) else 0o644
    tar.addfile(entry, io.BytesIO(data))


def add_bytes_to_tar(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Adds a file of bytes to the tar, mode 644."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o644
    tar.addfile(entry, io.BytesIO(data))


CONTAINER_LABEL = "detlab.lab"
LISTENER = "listener"
LOOPBACK = "127.0.0.1"
DEFAULT_SOCKET = "unix:///var/run/docker.sock"
# An asyncio server of one file; chosen, like 64 processes and the 2 s until a stop becomes a kill.
MEMORY = "128m"
STOPPING = 2


@record(kw_only=True)
class Service:
    """A service of the lab as it is now: which of its ports answer, and under which name Docker knows it."""

    name: str
    container: str
    running: bool
    answers: Mapping[str, bool]


def connect_docker() -> Any:
    """A client of the Docker Engine. Raises HarnessError where there is none."""
    try:
        docker = import_module("docker")
    except ImportError as error:
        raise HarnessError(
            "no-docker", "the package `docker` is not there", help="pip install 'detlab[lab]'"
        ) from error
    hint = "start it, set DOCKER_HOST, or use --no-docker"
    address = os.environ.get("DOCKER_HOST", "") or DEFAULT_SOCKET
    # Docker's client says of a missing socket only `Connection aborted, FileNotFoundError`.
    if address.startswith("unix://") and not listens(address.removeprefix("unix://")):
        raise UnreachableError("no-docker", f"no Docker Engine answers on {address}", help=hint)
    try:
        return docker.from_env(timeout=60)
    except Exception as error:
        raise UnreachableError(
            "no-docker", f"no Docker Engine answers: {find_error_headline(error)}", help=hint
        ) from error


def listens(path: str) -> bool:
    """Whether somebody takes connections on a socket file."""
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == 0


def up(lab: str, folder: Path, ports: Ports, *, client: Any = None) -> Service:
    """Builds the listener's image where it is not there yet, starts it, and waits until its ports answer.

    Its ports are published on one address only: loopback, or the lab network's that `ports.bind` names.
    """
    client = client or connect_docker()
    script = folder / LISTENER_SCRIPT
    if not script.is_file():
        raise HarnessError("no-listener", f"there is no {script}", help="name the lab's folder with --lab-folder")
    if ports.bind in ("", "0.0.0.0", "::"):
        hint = "name the lab network's address"
        raise HarnessError("listens-everywhere", "the lab's services do not listen on every address", help=hint)
    # An older container of the lab holds the ports.
    down(lab, client=client)
    container = start_container(client, lab, build_listener_image(client, script), ports)
    answers = wait_until_open(ports.bind, inner_ports(ports))
    container.reload()
    return Service(name=LISTENER, container=container.name, running=container.status == "running", answers=answers)


def inner_ports(ports: Ports) -> dict[str, Sequence[int]]:
    """The listener's ports by what answers there."""
    return {"http": ports.http, "tcp": ports.tcp, "dns": ports.dns}


def start_container(client: Any, lab: str, image: str, ports: Ports) -> Any:
    """A container of the listener with as few rights as it needs; in its own network it may listen everywhere."""
    inner = inner_ports(ports)
    published = {
        f"{port}/{'udp' if kind == 'dns' else 'tcp'}": (ports.bind, port) for kind in inner for port in inner[kind]
    }
    try:
        return client.containers.run(
            image,
            # All of the container's own network; what the outside reaches is said by `ports`.
            replace(ports, bind="0.0.0.0").arguments(""),
            name=f"detlab-{lab}-{LISTENER}",
            labels={
                CONTAINER_LABEL: lab,
                "detlab.service": LISTENER,
                "detlab.ports": json.dumps({"bind": ports.bind, **inner}),
            },
            ports=published,
            detach=True,
            read_only=True,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            mem_limit=MEMORY,
            pids_limit=64,
        )
    except Exception as error:
        down(lab, client=client)
        hint = "another program may use a port: `detlab lab status`"
        raise HarnessError(
            "container", f"the listener does not start: {find_error_headline(error)}", help=hint
        ) from error


def build_listener_image(client: Any, script: Path) -> str:
    """The name of the listener's image, built from this machine if the engine does not have it."""
    name = f"detlab-listener:{hash_image_label(script)}"
    if any(name in (image.tags or ()) for image in client.images.list()):
        return name
    try:
        # Never pulled: the base is `scratch`, and a lab may have no way out.
        client.images.build(
            fileobj=io.BytesIO(build_image_context(script)), custom_context=True, tag=name, rm=True, pull=False
        )
    except Exception as error:
        raise HarnessError("image", f"the listener's image cannot be built: {find_error_headline(error)}") from error
    return name


def status(lab: str, *, client: Any = None) -> list[Service]:
    """The lab's containers with the answers of their ports."""
    found = []
    for container in (client or connect_docker()).containers.list(
        all=True, filters={"label": f"{CONTAINER_LABEL}={lab}"}
    ):
        ports = json.loads(container.labels.get("detlab.ports", "{}"))
        bind = ports.pop("bind", LOOPBACK)
        running = container.status == "running"
        answers = wait_until_open(bind, ports, patience=0.0) if running else {}
        name = container.labels.get("detlab.service", container.name)
        found.append(Service(name=name, container=container.name, running=running, answers=answers))
    return found


def down(lab: str, *, client: Any = None) -> int:
    """Removes every container of the lab; how many there were."""
    containers = (client or connect_docker()).containers.list(all=True, filters={"label": f"{CONTAINER_LABEL}={lab}"})
    for container in containers:
        if container.status == "running":
            container.stop(timeout=STOPPING)
        container.remove(force=True)
    return len(containers)


def find_error_headline(error: Exception) -> str:
    """The first line of an exception, at most 200 characters."""
    text = str(getattr(error, "explanation", "") or error).strip()
    return (text.splitlines() or [type(error).__name__])[0][:200]

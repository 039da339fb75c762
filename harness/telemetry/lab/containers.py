"""The lab's services as containers, through the Docker API: Docker, or Podman's socket under DOCKER_HOST."""

from __future__ import annotations

import io
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.diagnostics import HarnessError, UnreachableError
from harness.telemetry.lab.image import build_image_context, hash_image_label
from harness.telemetry.lab.listener import LISTENER_SCRIPT, Ports, wait_until_open

CONTAINER_LABEL = "detlab.lab"
LISTENER = "listener"
LOOPBACK = "127.0.0.1"
DEFAULT_SOCKET = "unix:///var/run/docker.sock"
# An asyncio server of one file; chosen, like 64 processes and the 2 s until a stop becomes a kill.
MEMORY = "128m"
STOPPING = 2


@dataclass(frozen=True, slots=True, kw_only=True)
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

"""The lab's own servers: start, look at and stop the listener and the DNS sink, with or without containers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from harness.cli import options
from harness.cli.screen import DIFFERS, out
from harness.report.json_document import dumps
from harness.scenario.pack import BUNDLED
from harness.telemetry.lab.journal import state_folder
from harness.telemetry.lab.services import (
    Ports,
    Running,
    down,
    is_listener,
    reachable,
    start_listener,
    status,
    up,
    wait_until_open,
)

DEFAULT_LAB = "lab"


def add_service_options(command: options.Decorated) -> options.Decorated:
    """The options that say where and how the services run."""
    # In a checkout its own, else the one inside the wheel.
    folder = Path("lab") if Path("lab/listener").is_dir() else BUNDLED / "lab"
    choices = (
        click.option("--no-docker", is_flag=True, help="As a process of this machine."),
        click.option("--lab-folder", "folder", type=options.PATH, default=folder, show_default=True),
        options.json_option,
    )
    for option in reversed(choices):
        command = option(command)
    return command


def parse_ports(context: click.Context, parameter: click.Parameter, value: str) -> tuple[int, ...]:
    """Ports with commas between them."""
    return tuple(int(p) for p in value.split(",") if p.strip().isdigit())


@click.group("lab")
def command() -> None:
    r"""The servers that tests talk to: HTTP 8888, TCP 4444, 8080 and 8443, and a DNS sink.

    \b
    detlab lab up --no-docker
    detlab lab status
    detlab lab down
    """


@command.command("up")
@click.option("--bind", default="127.0.0.1", show_default=True, help="Loopback or the lab network's address.")
@click.option("--http", default="8888", show_default=True, callback=parse_ports, metavar="PORTS")
@click.option("--tcp", default="4444,8080,8443", show_default=True, callback=parse_ports, metavar="PORTS")
@click.option("--dns", default="5353", show_default=True, callback=parse_ports, metavar="PORTS")
@click.option("--answer", default="127.0.0.1", show_default=True, help="What the DNS sink answers.")
@add_service_options
def up_command(no_docker: bool, folder: Path, as_json: bool, **chosen: Any) -> int:
    """Starts the services and waits until they answer."""
    ports = Ports(**chosen)
    if not no_docker:
        service = up(DEFAULT_LAB, folder, ports)
        return show_services([(service.name, service.running, dict(service.answers))], as_json=as_json)
    # One listener at a time: a second one would not get the ports.
    stop_process()
    running = start_listener(folder, ports, state_folder() / "listener.ndjson", detached=True)
    find_listener_note().write_text(json.dumps({"pid": running.pid, "bind": running.bind, "ports": running.ports}))
    running.process.stdout.close()
    # It outlives this command: Python would warn of a child that is still running.
    running.process.returncode = 0
    return show_services([("listener", True, wait_until_open(running.bind, running.ports))], as_json=as_json)


@command.command("status")
@add_service_options
def status_command(no_docker: bool, folder: Path, as_json: bool) -> int:
    """Says which services run and which of their ports answer."""
    if not no_docker and process() is None:
        return show_services([(s.name, s.running, dict(s.answers)) for s in status(DEFAULT_LAB)], as_json=as_json)
    running = process()
    answers = reachable(running.bind, running.ports) if running else {}
    return show_services([("listener", True, answers)] if running else [], as_json=as_json)


@command.command("down")
@add_service_options
def down_command(no_docker: bool, folder: Path, as_json: bool) -> int:
    """Stops and removes the services."""
    stopped = stop_process()
    if not no_docker and not stopped:
        down(DEFAULT_LAB)
    return 0


def find_listener_note() -> Path:
    """Where the process without containers is remembered."""
    folder = state_folder()
    folder.mkdir(parents=True, exist_ok=True)
    return folder / "listener.json"


def process() -> Running | None:
    """The listener that runs as a process of this machine, if one does."""
    try:
        found = json.loads(find_listener_note().read_text("utf-8"))
    except (OSError, ValueError):
        return None
    log = state_folder() / "listener.ndjson"
    running = Running(pid=int(found["pid"]), bind=found["bind"], ports=found["ports"], log=log)
    # The number may belong to another process by now.
    return running if is_listener(running.pid) else None


def stop_process() -> bool:
    """Ends that process; whether there was one."""
    running = process()
    if running:
        running.stop()
        find_listener_note().unlink()
    return running is not None


def show_services(services: list[tuple[str, bool, dict[str, bool]]], *, as_json: bool) -> int:
    """The services for people or machines; the exit code."""
    if as_json:
        found = [{"name": n, "running": r, "answers": a} for n, r, a in services]
        out(dumps({"document": "lab", "version": 1, "services": found}))
    else:
        lines = []
        for name, runs, answers in services:
            lines.append(f"{name}  {'runs' if runs else 'does not run'}")
            lines += [f"    {port}  {'answers' if open_ else 'DOES NOT ANSWER'}" for port, open_ in answers.items()]
        out(lines or ["nothing runs"])
    return 0 if services and all(r and all(a.values()) for _, r, a in services) else DIFFERS

"""The command `detlab` as a person types it, in a process of its own, against a lab of tests."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.winrm.wsman_server import PASSWORD

ROOT = Path(__file__).parents[2]
NEEDS_INVENTORY = ("detonate", "cleanup", "doctor")


def command_line(folder, *arguments):
    line = [sys.executable, "-c", "from harness.cli.main import main; main()", *map(str, arguments)]
    if arguments[0] in NEEDS_INVENTORY and "--inventory" not in arguments:
        line += ["--inventory", str(folder / "hosts.yaml")]
    return line


def environment(changes):
    found = {**os.environ, **changes}
    return {name: value for name, value in found.items() if value is not None}


def detlab(folder, *arguments, **changes):
    """Runs it to its end; None takes a variable away."""
    run = subprocess.run(
        command_line(folder, *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env=environment(changes),
    )
    for text in (run.stdout, run.stderr):
        assert PASSWORD not in text
        assert "Traceback" not in text
    return run


def start(folder, *arguments, **changes):
    """Starts it, in a process group of its own so that a signal is for it alone."""
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command_line(folder, *arguments),
        cwd=ROOT,
        stdout=pipe,
        stderr=pipe,
        text=True,
        env=environment(changes),
        start_new_session=True,
    )


def wait_until(condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def write_atomics(folder, *tests):
    """A library of one technique, T1053.005, with these tests: name, command, clean-up, arguments."""
    home = folder / "atomics" / "T1053.005"
    home.mkdir(parents=True, exist_ok=True)
    written = [
        {
            "name": name,
            "description": "A task.",
            "supported_platforms": ["windows"],
            "input_arguments": {
                argument: {"description": "A value.", "type": "string", "default": default}
                for argument, default in arguments.items()
            },
            "executor": {"name": "command_prompt", "command": command, "cleanup_command": cleanup},
        }
        for name, command, cleanup, arguments in tests
    ]
    technique = {"attack_technique": "T1053.005", "display_name": "Scheduled Task", "atomic_tests": written}
    (home / "T1053.005.yaml").write_text(json.dumps(technique), "utf-8")
    return folder / "atomics"

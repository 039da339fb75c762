"""A detonation that is killed with SIGKILL at a given entry of its journal: `dying_run.py FOLDER before|after STEP`."""

import os
import signal
import sys
from pathlib import Path

from harness.scenario.atomic_command import render_atomic
from harness.scenario.atomic_library import Library
from harness.telemetry.lab.detonate import Detonation, detonate
from harness.telemetry.lab.inventory import read_inventory
from harness.telemetry.lab.journal import Journal
from harness.telemetry.lab.remote import connect

folder, when, step = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
write = Journal.write


def dying(self, which, *rest, **data):
    if which == step and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, which, *rest, **data)
    if which == step and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    if which == step and when == "torn":
        os.write(self.file, b'1234abcd {"v":1,"at":"2026-')
        os.kill(os.getpid(), signal.SIGKILL)


Journal.write = dying
inventory = read_inventory(folder / "hosts.yaml")
test = render_atomic(
    Library((Path(__file__).parents[2] / "scenarios",)).find("T1583.004-4")[0], {"port": 1, "run": "r1"}
)
detonate(Detonation(run="r1", lab="purple", tests=(test,), state=folder / "state"), [inventory.host("win10")], connect)

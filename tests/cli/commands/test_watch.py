"""`detlab watch` as a person runs it: a process of its own, files saved beside it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pytest

SCENARIO = (
    "title: Five calls\nactivity: malicious\nsimulate:\n  - {{behaviour: beacon, given: {{times: 5}}}}\n"
    "expect:\n  - {{rule: {rule}, outcome: true positive}}\n"
)
SECONDS = 60


class Watch:
    """A running watch, and what it has printed since it was last asked."""

    def __init__(self, folder: Path):
        command = [str(Path(sys.executable).with_name("detlab")), "watch"]
        environment = {**os.environ, "NO_COLOR": "1"}
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.lines: Queue[str] = Queue()
        Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def until(self, end: str) -> str:
        """What is printed up to a line that begins so."""
        found = []
        while not found or not found[-1].startswith(end):
            try:
                found.append(self.lines.get(timeout=SECONDS))
            except Empty:
                pytest.fail(f"no line `{end}` came after:\n" + "\n".join(found))
        return "\n".join(found)


@pytest.fixture
def project(tmp_path):
    (tmp_path / "scenarios").mkdir()
    for name in ("one", "two"):
        (tmp_path / "scenarios" / f"{name}.yaml").write_text(SCENARIO.format(rule=f"{name}.spl"))
        (tmp_path / "scenarios" / f"{name}.spl").write_text("EventCode=3 | stats count by Image\n")
    (tmp_path / "detlab.yaml").write_text("zone: UTC\n")
    return tmp_path


def test_a_saved_file_is_judged_with_what_it_touches(project):
    watch = Watch(project)
    try:
        assert "all: 2 scenarios" in watch.until("as expected after")
        (project / "scenarios" / "one.spl").write_text("EventCode=3 | stats count by Image | where count > 1000\n")
        said = watch.until("differs after")
        assert "one.spl: 1 scenario" in said and "expected true positive" in said
        (project / "scenarios" / "two.yaml").write_text("title: [\n")
        assert "cannot be judged" in watch.until("differs after")
        (project / "detlab.yaml").write_text("zonee: UTC\n")
        assert "did you mean `zone`?" in watch.until("  = help")
        (project / "scenarios" / "one.spl").write_text("EventCode=3 | stats count by Image\n")
        (project / "scenarios" / "two.yaml").write_text(SCENARIO.format(rule="two.spl"))
        (project / "detlab.yaml").write_text("zone: Europe/Berlin\n")
        assert "all: 2 scenarios" in watch.until("as expected after")
    finally:
        watch.process.send_signal(signal.SIGINT)
        assert watch.process.wait(SECONDS) == 130
        watch.process.stdout.close()

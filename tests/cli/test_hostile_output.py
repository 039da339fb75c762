"""Output that cannot be written, and processes that are killed: told with 2, the former file whole, nothing left."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DETLAB = f"{sys.executable} -c 'from harness.cli.main import main; main()'"
EVENT = '{"EventID":"3","Channel":"X","SystemTime":"2026-03-03T09:12:00Z"}\n'

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="these faults are Linux's")


def shell(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")}
    script = f'detlab() {{ {DETLAB} "$@"; }}\n{script}'
    return subprocess.run(
        ["bash", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "tmp").mkdir()
    (tmp_path / "all.spl").write_text("index=* | stats count")
    (tmp_path / "ev.ndjson").write_text(EVENT)
    (tmp_path / "s.yaml").write_text(
        "title: t\nactivity: malicious\nsimulate: [{behaviour: beacon}]\n"
        "expect: [{rule: all.spl, outcome: true positive}]\n"
    )
    return tmp_path


QUERY = "detlab query all.spl --events ev.ndjson"
WORDS = {
    f"{QUERY} >/dev/full": "the output cannot be written: no space left on device",
    f"{QUERY} --json >/dev/full": "the output cannot be written: no space left on device",
    f"{QUERY} >&-": "the output cannot be written: stdout is closed",
    f"{QUERY} --json >&-": "the output cannot be written: stdout is closed",
    "detlab run s.yaml >/dev/full": "the output cannot be written: no space left on device",
    "detlab query none.spl --events ev.ndjson --json >/dev/full": "there is no file none.spl",
    "detlab --help >/dev/full": "the output cannot be written: no space left on device",
    "detlab simulate s.yaml --format ndjson >/dev/full": "the output cannot be written: no space left on device",
}


@pytest.mark.parametrize("command", WORDS)
def test_a_stdout_that_takes_nothing_is_told(folder, command):
    ran = shell(folder, command)
    assert ran.returncode == 2
    assert WORDS[command] in ran.stderr
    assert "Traceback" not in ran.stderr
    assert "Exception ignored" not in ran.stderr


@pytest.mark.parametrize("where", ["2>/dev/full", "2>&-"])
def test_a_stderr_that_takes_nothing_changes_no_exit_code(folder, where):
    assert shell(folder, f"detlab query none.spl --events ev.ndjson {where}").returncode == 2


def test_a_closed_pipe_is_a_quiet_end(folder):
    ran = shell(folder, f"{QUERY} --json | true; exit ${{PIPESTATUS[0]}}")
    assert ran.returncode in (0, 141)
    assert ran.stderr == ""


def test_all_three_streams_closed_is_the_same_answer(folder):
    assert shell(folder, "detlab run s.yaml --junit r.xml <&- >&- 2>&-; exit $?").returncode == 2
    assert (folder / "r.xml").read_text().startswith("<?xml")


WRITES = {
    "simulate": ("detlab simulate s.yaml --format ndjson --out OUT", "out.ndjson"),
    "html": ("detlab run s.yaml --html OUT", "out.html"),
}


@pytest.mark.parametrize("what", WRITES)
def test_a_file_that_cannot_be_written_whole_leaves_the_former_one(folder, what):
    command, name = WRITES[what]
    (folder / name).write_text("former")
    # A limit on the size of files stands for the full disk.
    ran = shell(folder, f"ulimit -f 1; trap '' XFSZ; {command.replace('OUT', name)}")
    assert ran.returncode == 2, ran.stderr
    assert f"error[unwritable]: {name}: file too large" in ran.stderr
    assert (folder / name).read_text() == "former"
    assert [p.name for p in folder.iterdir() if "out" in p.name] == [name]
    whole = shell(folder, command.replace("OUT", name))
    assert whole.returncode == 0, whole.stderr
    assert (folder / name).read_text() != "former"


def test_a_file_that_is_written_keeps_its_rights_and_a_link_stays_one(folder):
    (folder / "real.xml").write_text("former")
    (folder / "real.xml").chmod(0o640)
    (folder / "link.xml").symlink_to("real.xml")
    assert shell(folder, "detlab run s.yaml --junit link.xml").returncode == 0
    assert (folder / "link.xml").is_symlink()
    assert (folder / "real.xml").read_text().startswith("<?xml")
    assert (folder / "real.xml").stat().st_mode & 0o777 == 0o640


def test_a_report_may_go_to_a_device_or_a_pipe(folder):
    ran = shell(folder, "detlab run s.yaml -q --junit /dev/stderr")
    assert ran.returncode == 0
    assert ran.stderr.startswith("<?xml")


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_simulation_leaves_no_worker_and_the_former_world(folder, end):
    world = "detlab simulate --world office --hosts 3 --days 1 --seed 1 --out w"
    assert shell(folder, world).returncode == 0
    before = sorted(str(p) for p in (folder / "w").rglob("*"))
    code = "from harness.cli.main import main; main()"
    arguments = ["simulate", "--world", "office", "--hosts", "48", "--days", "5", "--out", "w"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.Popen([sys.executable, "-c", code, *arguments], cwd=folder, env=environment)
    begun = time.monotonic()
    while not list(folder.glob(".w.part-*/*/*.parquet")) and time.monotonic() - begun < 60:
        time.sleep(0.05)
    workers = [int(n) for n in Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()]
    run.send_signal(end)
    run.wait(20)
    begun = time.monotonic()
    while any(is_running(w) for w in workers) and time.monotonic() - begun < 10:
        time.sleep(0.05)
    assert not any(is_running(w) for w in workers)
    assert sorted(str(p) for p in (folder / "w").rglob("*")) == before
    assert shell(folder, world).returncode == 0
    assert [p.name for p in folder.iterdir() if p.name.startswith(".w")] == []


def is_running(process: int) -> bool:
    """Whether a process is there and no zombie that nobody has waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_scratch_folders_of_a_killed_process_are_gone_after_the_next(folder):
    script = """
from harness.detection.engines.duckdb.store import DuckDBStore
import os, signal
store = DuckDBStore()
store.lock()
os.kill(os.getpid(), signal.SIGKILL)
"""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder / "tmp")}
    subprocess.run([sys.executable, "-c", script], env=environment, timeout=60)
    assert len(list((folder / "tmp").glob("detlab-*"))) == 2
    assert shell(folder, QUERY).returncode == 0
    assert list((folder / "tmp").iterdir()) == []

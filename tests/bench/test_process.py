import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MEASURED = """
import sys
from pathlib import Path
from bench.process import CommandFailed, run
held = b"x" * 200_000_000
try:
    cost = run([sys.executable, "-c", sys.argv[1]], output=Path(sys.argv[2]) / "out", folder=Path.cwd())
    print(cost.cpu, cost.memory)
except CommandFailed as failure:
    print(failure)
"""
BURN = "import time\nwhile time.process_time() < 0.5: pass"
ORPHAN = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {BURN!r}])"
HOLD = "held = b'x' * 80_000_000\nimport time; time.sleep(0.6)"
TWO = f"import subprocess, sys; [p.wait() for p in [subprocess.Popen([sys.executable, '-c', {HOLD!r}]) for _ in '12']]"


def measure(program, folder):
    command = [sys.executable, "-c", MEASURED, program, str(folder)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.split()


def test_the_cpu_of_processes_that_a_command_leaves_behind_counts(tmp_path):
    assert float(measure(ORPHAN, tmp_path)[0]) >= 0.5


def test_memory_is_that_of_all_processes_together(tmp_path):
    assert int(measure(TWO, tmp_path)[1]) >= 160_000_000


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path):
    assert " ".join(measure("import sys; sys.exit('no such thing')", tmp_path)).endswith("ended with 1: no such thing")


def test_what_the_bench_itself_holds_is_no_part_of_a_figure(tmp_path):
    assert int(measure("pass", tmp_path)[1]) < 100_000_000

"""`python -m fuzz`: each target for a while, coverage-guided with --guided where atheris is installed."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from fuzz.loop import CURRENT
from fuzz.promise import LONGEST
from fuzz.run_targets import list_missing
from fuzz.targets import TARGETS

ROOT = Path(__file__).parents[1]
# An input takes at most promise.SLOWEST seconds of CPU; a loaded machine gives a process a tenth of one.
SILENCE = 150.0
POLL = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetResult:
    """What came of fuzzing one target: how many inputs were tried, and the files of the findings."""

    tried: int
    found: tuple[Path, ...]


def guided(target: str, seconds: int, folder: Path) -> int:
    """The exit code of atheris on one target; what breaks a promise is kept in `folder`."""
    corpus = folder / target / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as begin:
        for number, data in enumerate(TARGETS[target].seeds()):
            (Path(begin) / str(number)).write_bytes(data)
        # An input that takes longer than SLOWEST stops the run by itself; 25 s and 3 GiB catch a hang in one C call.
        limits = [f"-max_total_time={seconds}", "-timeout=25", "-rss_limit_mb=3072", f"-max_len={LONGEST}"]
        command = [sys.executable, "-m", "fuzz.guided", target, str(corpus), begin, *limits, "-print_final_stats=1"]
        return subprocess.run(
            [*command, f"-artifact_prefix={folder}/{target}/broken-"], cwd=ROOT, check=False
        ).returncode


def fuzz_apart(target: str, seconds: float, seed: int, folder: Path) -> TargetResult:
    """Fuzzes a target in a process of its own, which is ended where one input holds it up."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.t*"):
        old.unlink()
    current = folder / CURRENT
    current.write_bytes(b"")
    command = [sys.executable, "-m", "fuzz.loop", target, "--seconds", str(seconds), "--seed", str(seed)]
    process = subprocess.Popen([*command, "--folder", str(folder)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    why = ""
    while process.poll() is None:
        time.sleep(POLL)
        if time.time() - current.stat().st_mtime > max(SILENCE, POLL):
            why = "hang"
            process.kill()
            break
    out, _ = process.communicate()
    found = json.loads(out) if process.returncode == 0 and out else {"tried": 0}
    if process.returncode != 0:
        current.replace(folder / f"{why or f'ended-with-{process.returncode}'}.txt")
    return TargetResult(tried=found["tried"], found=tuple(sorted(folder.glob("*.txt"))))


def main() -> int:
    """Fuzzes the targets one after the other; the exit code is 1 where one breaks its promise."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all of them if none")
    parser.add_argument("--seconds", type=int, default=60, help="time for each (default 60)")
    parser.add_argument("--seed", type=int, default=1, help="another number gives other inputs (default 1)")
    parser.add_argument("--folder", type=Path, default=Path("dist/fuzz"), help="where findings are kept")
    parser.add_argument("--guided", action="store_true", help="with atheris, which looks for new code to reach")
    given = parser.parse_args()
    unknown = set(given.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    if given.guided and not find_spec("atheris"):
        parser.error("atheris is not installed; without --guided the project's own mutations are tried")
    for reason in list_missing():
        print(f"left out: {reason}", flush=True)
    failed = False
    for name in given.targets or TARGETS:
        folder = given.folder.resolve()
        if given.guided:
            failed |= guided(name, given.seconds, folder) != 0
            continue
        result = fuzz_apart(name, given.seconds, given.seed, folder / name)
        print(f"{name:16} {result.tried:>9,} inputs  {len(result.found):>3} findings", flush=True)
        for path in result.found:
            print(f"  {path}", flush=True)
        failed |= bool(result.found)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

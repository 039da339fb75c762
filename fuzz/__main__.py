"""`python -m fuzz`: each target for a while, coverage-guided where atheris is installed."""

from __future__ import annotations

import argparse
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from fuzz.random_texts import fuzz
from fuzz.targets import TARGETS
from harness.detection.language import list_languages

ROOT = Path(__file__).parents[1]
SUFFIXES = {**{n: f"*.{n}" for n in list_languages()}, "yaml": "*.yaml", "conf": "*.conf", "page": "*.md"}
PLACES = (ROOT / "scenarios", ROOT / "tests", ROOT.parent / "shared" / "corpora")
# Chosen, no source: libFuzzer runs all seeds before it changes any.
MOST_SEEDS = 400


def seeds(target: str) -> list[str]:
    """Real texts to begin with."""
    found = [p for place in PLACES if place.is_dir() for p in sorted(place.rglob(SUFFIXES[target]))]
    # Spread over all folders, which are sorted by name.
    step = max(1, len(found) // MOST_SEEDS)
    return [p.read_text("utf-8", "replace") for p in found[::step]]


def guided(target: str, seconds: int, folder: Path) -> int:
    """The exit code of atheris on one target; what breaks a promise is kept in `folder`."""
    corpus = folder / target
    corpus.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as begin:
        for number, text in enumerate(seeds(target)):
            (Path(begin) / str(number)).write_text(text, encoding="utf-8")
        # A text that takes longer than SLOWEST stops the run by itself; 25 s and 3 GiB catch a hang in one C call.
        limits = [
            f"-max_total_time={seconds}",
            "-timeout=25",
            "-rss_limit_mb=3072",
            "-max_len=65536",
            "-print_final_stats=1",
        ]
        command = [sys.executable, "-m", "fuzz.guided", target, str(corpus), begin, *limits]
        return subprocess.run(
            [*command, f"-artifact_prefix={folder}/broken-{target}-"], cwd=ROOT, check=False
        ).returncode


def main() -> int:
    """Fuzzes the targets one after the other; the exit code is 1 where one breaks its promise."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all of them if none")
    parser.add_argument("--seconds", type=int, default=60, help="time for each (default 60)")
    parser.add_argument("--folder", type=Path, default=Path("dist/fuzz"), help="where found texts are kept")
    given = parser.parse_args()
    unknown = set(given.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target is called {', '.join(sorted(unknown))}")
    failed = 0
    for target in given.targets or TARGETS:
        if find_spec("atheris"):
            failed |= guided(target, given.seconds, given.folder.resolve()) != 0
        else:
            print(
                f"{target}: {fuzz(target, seeds(target), given.seconds):,} texts (atheris is not installed)", flush=True
            )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

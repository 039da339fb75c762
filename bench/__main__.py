"""`python -m bench [MEASURE...]`: how fast `detlab` is, by the command lines that a user types, as ratios with bars."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import languages, readers, rule_sets, rules, sigma, simulation, slopes, spark, start, studies
from bench.measure import Bench, Line, Measure, Unmeasured, break_line
from bench.page import encode_lines, format_page, format_table
from bench.process import ROOT, CommandFailed

FAMILIES = (rules, readers, rule_sets, sigma, studies, languages, start, simulation, slopes, spark)
INTERRUPTED = 130
MEASURES: dict[str, Measure] = {each.name: each for family in FAMILIES for each in family.MEASURES}


def main(arguments: Sequence[str]) -> int:
    """Runs the measures that are named, or all; 1 where a bar is missed or rows differ, 2 where a name is unknown."""
    given = parse_arguments(arguments)
    if given.list:
        print("\n".join(f"{each.name:<12} {each.about}" for each in MEASURES.values()))
        return 0
    with TemporaryDirectory(prefix="detlab-bench-") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        bench, lines = open_bench(given, folder.resolve()), list[Line]()
        try:
            for name in given.measures or MEASURES:
                lines.extend(take_measure(bench, MEASURES[name]))
                # After each, since all of them take hours.
                write_reports(given, lines)
        except KeyboardInterrupt:
            print("interrupted; what was measured by then:", file=sys.stderr)
            return INTERRUPTED
        finally:
            print(format_table(lines))
    return int(any(line.fails for line in lines))


def write_reports(given: argparse.Namespace, lines: Sequence[Line]) -> None:
    """Writes the files that are asked for."""
    if given.json:
        given.json.write_text(json.dumps(encode_lines(lines), indent=1) + "\n", "utf-8")
    if given.page:
        given.page.write_text(format_page(lines), "utf-8")


def parse_arguments(arguments: Sequence[str]) -> argparse.Namespace:
    """The options; a measure that does not exist ends the program with 2."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    add = parser.add_argument
    add("measures", nargs="*", metavar="MEASURE", help=f"of {', '.join(MEASURES)} (all)")
    add("--list", action="store_true", help="say what each measure is")
    add("--events", type=int, default=10_000_000, help="events of the large measures (10,000,000)")
    add("--rounds", type=int, default=5, help="interleaved runs of each contender (5)")
    add("--quick", action="store_true", help="everything small, two rounds; only rows are judged")
    add("--python", type=Path, default=os.environ.get("DETLAB_BENCH_PYTHON"), help="the competitors' interpreter")
    add("--detlab", default=os.environ.get("DETLAB_BENCH_COMMAND"), help="the command (detlab of this environment)")
    add("--shared", type=Path, default=ROOT.parent / "shared", metavar="FOLDER", help="large corpora (../shared)")
    add("--keep", type=Path, metavar="FOLDER", help="keep what is made for the runs there, and use it if it is there")
    add("--json", type=Path, metavar="FILE", help="also write every figure")
    add("--page", type=Path, metavar="FILE", help="also write a page with plots, HTML; ratios only")
    given = parser.parse_args(arguments)
    if unknown := sorted(set(given.measures) - set(MEASURES)):
        parser.error(f"no measure is called {', '.join(unknown)}; --list names them")
    return given


def open_bench(given: argparse.Namespace, folder: Path) -> Bench:
    """What all measures share."""
    # Not the user's: what is kept there would be measured, and be lost where a measure begins with nothing kept.
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    # Installed packages come with their bytecode. Where this is set a checkout is compiled anew at each start, which
    # takes longer than a rule does, and the competitors are not.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    beside = Path(sys.executable).with_name("detlab")
    command = (
        shlex.split(given.detlab) if given.detlab else [str(beside if beside.exists() else shutil.which("detlab"))]
    )
    return Bench(
        command=command,
        folder=folder,
        # Not resolved: the link in a virtual environment is what tells Python which environment it is.
        python=given.python and Path(given.python).absolute(),
        events=min(given.events, 20_000) if given.quick else given.events,
        rounds=min(given.rounds, 2) if given.quick else given.rounds,
        quick=given.quick,
        shared=given.shared.resolve() if given.shared.is_dir() else None,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )


def take_measure(bench: Bench, measure: Measure) -> Iterator[Line]:
    """The lines of a measure; one that cannot be taken gives a line that says why."""
    bench.say(f"{measure.name}: {measure.about}")
    nothing = Line(measure=measure.name, subject=measure.about, yardstick="")
    try:
        yield from measure.take(bench)
    except Unmeasured as reason:
        yield replace(nothing, missing=str(reason))
    except CommandFailed as failure:
        yield break_line(nothing, failure)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

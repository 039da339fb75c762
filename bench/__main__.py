"""`python -m bench [MEASURE...]`: how fast detlab is, as ratios and rates of one run, with equal results checked."""

from __future__ import annotations

import argparse
import sys

from bench import detection, parsing

MEASURES = {"parsing": parsing, "detection": detection}


def main() -> int:
    """Runs the measures that are named, or all; returns 0 if each meets its bar."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help=f"of {', '.join(MEASURES)} (all)")
    for module in MEASURES.values():
        module.arguments(parser.add_argument_group((module.__doc__ or "").splitlines()[0]))
    given = parser.parse_args()
    unknown = set(given.measures) - set(MEASURES)
    if unknown:
        parser.error(f"no measure is called {', '.join(sorted(unknown))}")
    met = [MEASURES[name].measure(given) for name in given.measures or MEASURES]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())

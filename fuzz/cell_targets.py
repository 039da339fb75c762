"""Targets that compare cells: each way to hold the same rows has to give the same, and what a reference says.

`python -m fuzz.cell_targets --cells 100000` compares so many cells with each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from random import Random

from fuzz.cql_storage_target import check_filters, check_steps
from fuzz.promise import Target
from fuzz.storage_target import check_expressions, check_searches, check_stages

CHECKS: dict[str, Callable[[Random], int]] = {
    "cells_eval": check_expressions,
    "cells_search": check_searches,
    "cells_stages": check_stages,
    "cells_filters": check_filters,
    "cells_steps": check_steps,
}


def run_check(check: Callable[[Random], int], data: bytes) -> None:
    """One check with the random choices that some bytes stand for."""
    check(Random(data))


def list_numbers() -> list[bytes]:
    """Inputs to begin with: each stands for other choices."""
    return [str(number).encode() for number in range(64)]


CELL_TARGETS: dict[str, Target] = {
    name: Target(check=partial(run_check, check), seeds=list_numbers, binary=True) for name, check in CHECKS.items()
}


def compare_cells(name: str, least: int, seed: int = 1) -> int:
    """Runs a check until so many cells agreed. Raises BrokenPromiseError at the first that does not."""
    cells, number = 0, 0
    while cells < least:
        cells += CHECKS[name](Random(f"{seed}/{number}"))
        number += 1
    return cells


def main() -> None:
    """Compares cells and prints how many."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.cell_targets", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(CHECKS)}; all if none")
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for name in given.targets or CHECKS:
        sys.stdout.write(f"{name:16} {compare_cells(name, given.cells, given.seed):>9,} cells agree\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()

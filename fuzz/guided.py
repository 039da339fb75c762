"""One target under atheris, which looks for texts that reach new code; it never returns.

python -m fuzz.guided TARGET CORPUS_FOLDER -max_total_time=60
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["harness"]):
    from fuzz.promise import hold
    from fuzz.targets import TARGETS

    # Commands and functions are imported on demand: only what is imported in here is instrumented.
    hold(TARGETS["spl"], b"index=main | stats count by host")
    hold(TARGETS["cql"], b"#repo=main | groupBy(host)")


def main(arguments: list[str]) -> None:
    """Fuzzes one target with the options of libFuzzer."""
    target, *rest = arguments
    atheris.Setup([sys.argv[0], *rest], lambda data: hold(TARGETS[target], data))
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])

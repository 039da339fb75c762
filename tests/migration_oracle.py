"""What the product says of all it has, written to files, so that a change of the house can be held against them.

    python -m tests.migration_oracle write FOLDER      the answers of this checkout
    python -m tests.migration_oracle compare A B       the answers that differ; exit code 1 where any does

Answers are those of the command: `compile` of each published rule of the corpora and of the pack, `explain` of each
scenario, `lint`, `docs` and `list`. Times of day and durations do not occur in them.
"""

import contextlib
import io
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from harness.cli.main import main

ROOT = Path(__file__).parents[1]
CORPORA = ROOT.parent / "shared" / "corpora"
SPL_CONTENT = ["--macros", "macros.json", "--lookups", "lookups.json", "--lookups", "lookups"]


def command_lines() -> Iterator[tuple[str, list[str]]]:
    """Each answer's name and the command line that gives it; paths are relative to the checkout."""
    corpora = Path("../shared/corpora")
    content = [w if w.startswith("--") else str(corpora / "spl" / w) for w in SPL_CONTENT]
    for language, extra in (("spl", content), ("cql", [])):
        for path in sorted((CORPORA / language).rglob(f"*.{language}")):
            rule = str(corpora / path.relative_to(CORPORA))
            yield f"compile {rule}", ["compile", rule, *extra]
            yield f"lint {rule}", ["lint", rule, "--json", *extra]
    for path in sorted(p for s in ("spl", "cql") for p in (ROOT / "scenarios").rglob(f"*.{s}")):
        rule = str(path.relative_to(ROOT))
        for dialect in ("duckdb", "spark"):
            yield f"compile {dialect} {rule}", ["compile", rule, "--dialect", dialect]
        yield f"lint {rule}", ["lint", rule, "--json"]
    for path in sorted((ROOT / "scenarios" / "T1583.004").rglob("*.yaml")):
        if path.name.endswith((".spl.yaml", ".cql.yaml")) or path.name == "atomic_tests.yaml":
            continue
        yield f"explain {path.relative_to(ROOT)}", ["explain", str(path.relative_to(ROOT)), "--json"]
    yield "docs", ["docs"]
    yield "docs json", ["docs", "--json"]
    yield "list", ["list", "--json"]


def answer(line: list[str]) -> str:
    """What a command line writes, with its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main.run(line)  # type: ignore[attr-defined]
    return f"exit {code}\n{out.getvalue()}---\n{err.getvalue()}"


def write(folder: Path) -> int:
    """Writes an answer a file; the number of answers."""
    folder.mkdir(parents=True, exist_ok=True)
    named = list(command_lines())
    with ProcessPoolExecutor(2, mp_context=get_context("fork")) as pool:
        answers = pool.map(answer, [line for _, line in named], chunksize=16)
        for (name, _), text in zip(named, answers, strict=True):
            (folder / (name.replace("/", "_") + ".txt")).write_text(text, "utf-8")
    return len(named)


def differences(one: Path, other: Path) -> list[str]:
    """Names of the answers that only one has or that differ."""
    names = {p.name for p in one.iterdir()} | {p.name for p in other.iterdir()}

    def text(folder: Path, name: str) -> str | None:
        return (folder / name).read_text("utf-8") if (folder / name).is_file() else None

    return [name for name in sorted(names) if text(one, name) != text(other, name)]


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["write", folder]:
            print(f"{write(Path(folder))} answers")
        case ["compare", one, other]:
            differing = differences(Path(one), Path(other))
            print("\n".join([*differing, f"{len(differing)} answers differ"]))
            sys.exit(1 if differing else 0)
        case _:
            sys.exit(__doc__)

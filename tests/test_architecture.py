"""House rules that no linter knows."""

import ast
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
FILES = sorted(p for folder in ("harness", "generators") for p in (ROOT / folder).rglob("*.py"))
VAGUE = {"utils", "helpers", "common", "base", "manager", "abstract", "impl", "misc"}
STAGES = ("scenario", "telemetry", "detection", "verdict", "report")


def lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def test_the_five_stages_are_the_folders_of_the_harness():
    folders = {p.name for p in (ROOT / "harness").iterdir() if p.is_dir() and p.name not in ("__pycache__", "bundled")}
    assert folders == {*STAGES, "cli"}


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_file_is_longer_than_400_lines(path):
    assert lines(path) <= 400


def test_half_of_the_files_have_at_most_120_lines():
    sizes = [lines(p) for p in FILES if p.name != "__init__.py"]
    assert median(sizes) <= 120


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_function_is_longer_than_40_lines(path):
    long = [
        f"{node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.end_lineno - node.lineno >= 40
    ]
    assert long == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_name_says_nothing(path):
    assert path.stem not in VAGUE


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_the_harness_never_imports_content(path):
    imported = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {a.name.split(".")[0] for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            imported.add(node.module.split(".")[0])
    if path.is_relative_to(ROOT / "harness"):
        assert imported.isdisjoint({"scenarios", "generators", "lab"})

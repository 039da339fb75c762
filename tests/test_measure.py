"""The numbers of `tests.measure`, on a small package of one's own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.measure import is_participle, main, measure, read_packages

FILES = {
    "harness/__init__.py": "",
    "harness/plan.py": '''"""The plan."""

from dataclasses import dataclass


@dataclass
class Call:
    """An operation on arguments."""

    operation: str
    arguments: tuple = ()


def apply(*arguments, operation="x"):
    """One more."""


LIMIT = 3
"""How many."""
''',
    "harness/cli/commands/run.py": """from harness.plan import Call, apply  # noqa: F401


def command():
    # The order is the product's.
    total = Call("add", ())  # type: ignore[x]
    return apply(total, operation="less")  # from the manual


LIMIT = 4
""",
    "harness/cli/commands/list.py": """from harness.report import told


def command(call):
    match call:
        case Call("add" | "less", (one,)):
            return told(one)
""",
    "harness/report.py": """FUNCTIONS = TEXTS = {}


@FUNCTIONS.value("lower")
def lower(x):
    return x


def told(x):
    return x


def format_rows(operation, rows):
    return operation(rows)
""",
    "harness/engine.py": """from harness import report


@report.FUNCTIONS.value
def lower(x):
    return report.format_rows(lower, "# no comment")


def format_rows(rows):
    return rows
""",
    "generators/beacon.py": "from harness.plan import apply\n\n\ndef beacon():\n    return apply()\n",
}


@pytest.fixture
def checkout(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def numbers(checkout):
    return measure(read_packages(checkout)["harness"])


def test_files_without_a_statement_have_no_content(numbers):
    assert (numbers["files"], numbers["files with content"]) == (6, 5)
    assert numbers["lines"] == sum(t.count("\n") for n, t in FILES.items() if n.startswith("harness"))
    assert (numbers["median lines"], numbers["longest file, lines"]) == (10, 19)


def test_names_are_shared_between_modules(numbers):
    assert numbers["functions and classes"] == 9
    assert numbers["functions and classes: shared names"] == 6
    assert numbers["functions and classes: shared names %"] == 66.67
    assert numbers["with constants"] == 13
    assert numbers["with constants: shared names"] == 8


def test_names_of_contracts_and_registries_are_apart(numbers):
    assert numbers["functions and classes, own names"] == 6
    assert numbers["functions and classes, own names: shared names"] == 2


def test_a_module_with_one_importer_is_known(checkout):
    package = read_packages(checkout)["harness"]
    assert {m.name for m in package.singly_imported} == set()
    assert package.importers["harness.plan"] == {"harness.cli.commands.run", "generators.beacon"}
    assert package.importers["harness.report"] == {"harness.cli.commands.list", "harness.engine"}
    (checkout / "harness" / "engine.py").unlink()
    assert [m.name for m in read_packages(checkout)["harness"].pieces] == ["harness.report"]


def test_operations_that_are_texts_are_found_in_calls_and_in_patterns(checkout):
    found = read_packages(checkout)["harness"].string_operations
    assert found["calls"] == ["harness/cli/commands/run.py:6", "harness/cli/commands/run.py:7"]
    assert found["patterns"] == ["harness/cli/commands/list.py:6"]


def test_comments_are_those_of_people(numbers):
    assert (numbers["comment lines, whole"], numbers["comment lines, trailing"]) == (1, 1)


@pytest.mark.parametrize("word", ["told", "filled", "making", "rebuilt", "unknown", "spread", "owed"])
def test_a_participle_is_known(word):
    assert is_participle(word)


@pytest.mark.parametrize("word", ["tell", "fill_page", "string", "cast", "split", "need", "feed", "read", "told_rows"])
def test_no_participle_is_known_as_such(word):
    assert not is_participle(word)


def test_a_checkout_is_measured_by_its_path(checkout):
    command = [sys.executable, "-m", "tests.measure", str(checkout), "--json"]
    ran = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout)["generators"]["files"] == 1


def test_a_line_for_each_number(checkout, capsys):
    assert main([str(checkout)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["harness", "generators"]
    assert lines[1].split() == ["files", "6", "1"]


def test_a_folder_that_is_no_checkout_is_told(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "is no checkout" in capsys.readouterr().err

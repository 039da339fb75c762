import json
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from harness import __version__
from harness.cli.main import list_subcommands, main, summary
from harness.cli.screen import as_failure
from harness.diagnostics import HarnessError, UnreachableError

ROOT = Path(__file__).parents[2]
DETLAB = str(Path(sys.executable).with_name("detlab"))
HEAVY = ["duckdb", "numpy", "pyarrow", "sqlglot", "yaml", "msgspec", "regex", "rich", "evtx", "faker", "pytest"]


def detlab(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([DETLAB, *arguments], capture_output=True, text=True, timeout=60, **options)


def test_help_names_every_subcommand_and_what_it_does():
    shown = CliRunner().invoke(main, ["--help"])
    assert shown.exit_code == 0
    for name in ("run", "explain", "query", "compile", "lint", "simulate", "list"):
        assert f"  {name} " in shown.output
    assert "Judge scenarios: does each rule say what it should?" in shown.output


def test_help_imports_nothing_heavy():
    code = "import sys; from harness.cli.main import main\ntry: main(['--help'])\nexcept SystemExit: pass\n"
    code += f"print(sorted(m for m in {HEAVY!r} if m in sys.modules), file=sys.stderr)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert ran.stderr.strip() == "[]"


def test_every_scenario_that_a_help_names_is_there():
    named = {
        path
        for name in list_subcommands()
        for path in re.findall(r"scenarios/\S+\.yaml", CliRunner().invoke(main, [name, "--help"]).output)
    }
    assert named
    assert [path for path in sorted(named) if not (ROOT / path).is_file()] == []


def test_every_subcommand_says_what_it_does_in_its_first_line_and_shows_its_help():
    for name in list_subcommands():
        assert summary(name).endswith((".", "?")), name
        shown = CliRunner().invoke(main, [name, "--help"])
        assert shown.exit_code == 0, shown.output
        assert "Usage: detlab" in shown.output


def test_version_is_the_package_s():
    assert CliRunner().invoke(main, ["--version"]).output == f"detlab {__version__}\n"


def test_an_unknown_subcommand_suggests_the_nearest():
    ran = CliRunner().invoke(main, ["explian"])
    assert ran.exit_code == 2
    assert (
        ran.stderr == "error[unknown-command]: no subcommand is called `explian`\n  = help: did you mean `explain`?\n"
    )


def test_an_unknown_option_suggests_the_nearest():
    ran = CliRunner().invoke(main, ["run", "--evnets", "x"])
    assert ran.exit_code == 2
    assert ran.stderr == "error[unknown-option]: there is no option --evnets\n  = help: did you mean `--events`?\n"


def test_a_missing_argument_is_told_without_a_traceback():
    ran = CliRunner().invoke(main, ["explain"])
    assert ran.exit_code == 2
    assert ran.stderr == (
        "error[usage]: no rule is given\n"
        "  = help: name a file, `-` for stdin, or write -e TEXT; `detlab explain --help`\n"
    )


def test_a_condition_without_a_value_is_told():
    ran = CliRunner().invoke(main, ["run", "--condition", "sysmon"])
    assert ran.exit_code == 2
    assert ran.stderr == (
        "error[not-a-pair]: --condition sysmon has no name and value\n  = help: write --condition name=value\n"
    )


def test_errors_are_one_json_document_when_json_is_asked_for():
    ran = CliRunner().invoke(main, ["run", "--json", "--bogus"])
    assert ran.exit_code == 2
    assert ran.stderr == ""
    document = json.loads(ran.stdout)
    assert document["document"] == "error"
    assert document["exit_code"] == 2
    assert document["errors"][0]["code"] == "unknown-option"


def test_json_after_two_dashes_is_a_path_and_no_option():
    ran = CliRunner().invoke(main, ["run", "--", "--json"])
    assert ran.exit_code == 2
    assert ran.stderr.startswith("error[no-such-path]: there is no file or folder --json")


@pytest.mark.parametrize(
    ("error", "code", "exit_code", "words"),
    [
        (UnreachableError("no-answer", "the lab does not answer"), "no-answer", 3, "the lab does not answer"),
        (HarnessError("yaml", "this is not YAML"), "yaml", 2, "this is not YAML"),
        (PermissionError(13, "Permission denied", "a.evtx"), "unreadable", 2, "a.evtx: permission denied"),
        (MemoryError(), "out-of-memory", 2, "there is not enough memory for this"),
        (RecursionError(), "too-deep", 2, "this is nested too deeply to be read"),
        (click.FileError("x", "broken"), "usage", 2, "could not open file 'x': broken"),
        (KeyError("x"), "bug", 2, "detlab itself failed: KeyError: 'x'"),
    ],
)
def test_every_failure_has_a_code_and_an_exit_code(error, code, exit_code, words):
    failure = as_failure(error)
    assert (failure.code, failure.exit_code, failure.message) == (code, exit_code, words)


def test_control_characters_in_an_error_are_spelled_out():
    ran = CliRunner().invoke(main, ["run", "\x1b[31mred.yaml"])
    assert ran.exit_code == 2
    assert "\x1b" not in ran.stderr
    assert "\\x1b[31mred.yaml" in ran.stderr


def test_a_reader_that_goes_away_is_no_error():
    script = f"{DETLAB} --help | true; echo ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert ran.stderr == ""
    assert ran.stdout.strip() in ("0", "141")


def test_a_locale_without_unicode_is_no_error(tmp_path):
    name = tmp_path / "gr\u00fc\u00dfe.yaml"
    ran = detlab("run", str(name), env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert ran.returncode == 2
    assert "Traceback" not in ran.stderr
    assert "no-such-path" in ran.stderr

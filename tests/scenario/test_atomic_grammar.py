"""PowerShell that runs on hosts, parsed with a real grammar: the atomics' own, and ours."""

import re
from pathlib import Path

import pytest

tree_sitter = pytest.importorskip("tree_sitter", reason="the grammar is not installed")
grammar = pytest.importorskip("tree_sitter_powershell", reason="the grammar is not installed")

from harness.scenario.atomic import SupportedPlatform  # noqa: E402
from harness.scenario.atomic_command import render_atomic  # noqa: E402
from harness.scenario.atomic_library import Library  # noqa: E402
from harness.telemetry.lab import command_line  # noqa: E402

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT.parent / "shared" / "samples" / "dev" / "atomics"
PARSER = tree_sitter.Parser(tree_sitter.Language(grammar.language()))


def parses(text):
    return not PARSER.parse(text.encode("utf-8")).root_node.has_error


BARE_VARIABLE = re.compile(r"\$(?:env:)?\w+(?=[\\/])", re.IGNORECASE)


def known(text):
    """The text without what the grammar does not know: a variable in the middle of a bare word, `$env:TEMP\\a.txt`."""
    return BARE_VARIABLE.sub("C:", text)


@pytest.mark.skipif(not SAMPLES.is_dir(), reason="the sample library is not on this machine")
def test_filling_in_arguments_never_breaks_a_command_that_is_whole():
    broken, read, unread = [], 0, 0
    for atomic in Library((SAMPLES,)).read():
        if SupportedPlatform.WINDOWS not in atomic.test.supported_platforms:
            continue
        for (_, text), template in zip(texts_of(render_atomic(atomic)), templates(atomic), strict=True):
            if not text or parses(text) or parses(known(text)):
                read += bool(text)
            elif parses(known(template)):
                broken.append((atomic.name, text[:200]))
            else:
                unread += 1
    one_that_the_grammar_cannot_read = ["T1098-16"]
    assert (read + unread + len(broken), [name for name, _ in broken]) == (1981, one_that_the_grammar_cannot_read)
    assert unread < 110


def texts_of(rendered):
    for prerequisite in rendered.prerequisites:
        yield "check", prerequisite.check.text if prerequisite.check.shell == "powershell" else ""
        if prerequisite.get:
            yield "get", prerequisite.get.text if prerequisite.get.shell == "powershell" else ""
    for what, command in (("command", rendered.command), ("cleanup", rendered.cleanup)):
        if command:
            yield what, command.text if command.shell == "powershell" else ""


def templates(atomic):
    """The same texts with a plain word in every placeholder's place."""

    def plain(text):
        return re.sub(r"#\{[^}]*\}", "word", text)

    for dependency in atomic.test.dependencies or ():
        yield plain(dependency.prereq_command) if atomic.dependency_shell == "powershell" else ""
        if (dependency.get_prereq_command or "").strip():
            yield plain(dependency.get_prereq_command) if atomic.dependency_shell == "powershell" else ""
    executor = atomic.test.executor
    if executor.name != "manual":
        for text in (executor.command, executor.cleanup_command):
            if text and text.strip():
                yield plain(text) if executor.name == "powershell" else ""


def test_the_published_tests_scripts_parse():
    scripts = [
        re.search(r'-Command "(.*)"', render_atomic(a).command.text)[1]
        for a in Library((ROOT / "scenarios",)).find("T1583.004-1,2,3")
    ]
    assert [s for s in scripts if not parses(s)] == []


def test_our_own_scripts_parse():
    kill = re.search(r'-Command "(.*)"', command_line.kill("r.1").text)[1]
    clock = re.search(r'-Command "(.*)"', command_line.build_clock_command().text)[1]
    provision = (ROOT / "lab" / "windows" / "provision.ps1").read_text("utf-8")
    psrp = pytest.importorskip("harness.telemetry.lab.psrp")
    assert [s[:60] for s in (kill, clock, command_line.FROM_STDIN, psrp.LAUNCH, provision) if not parses(s)] == []


def test_the_grammar_tells_a_broken_script():
    assert not parses("if ($true) { Write-Output 'a'")

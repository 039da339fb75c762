"""Runs every console session of the README and of all other pages, and compares what it prints."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [
    p for p in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "scenarios").rglob("*.md")) if p.is_file()
]
FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^\n`]*)\n(?P<body>.*?)^(?P=indent)(?P=ticks) *$", re.M | re.S
)
MARK = "\x1eend of one command\x1e"
SECONDS = re.compile(r"\b\d+\.\d+ s\b")


@dataclass(frozen=True)
class Session:
    """A console block: commands, and under each the lines that it prints."""

    page: Path
    line: int
    commands: tuple[tuple[str, tuple[str, ...]], ...]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def sessions(page: Path) -> list[Session]:
    text = page.read_text("utf-8")
    found = []
    for fence in FENCE.finditer(text):
        if fence["info"].strip() != "console":
            continue
        commands: list[tuple[str, list[str]]] = []
        for line in (each.removeprefix(fence["indent"]) for each in fence["body"].splitlines()):
            if line.startswith("$ "):
                commands.append((line[2:], []))
            elif line.startswith("> ") and commands and not commands[-1][1]:
                commands[-1] = (f"{commands[-1][0]}\n{line[2:]}", [])
            else:
                commands[-1][1].append(line)
        at = text.count("\n", 0, fence.start()) + 1
        found.append(Session(page, at, tuple((c, tuple(o)) for c, o in commands)))
    return found


SESSIONS = {page: found for page in PAGES if (found := sessions(page))}

FOREIGN_PYTHON = "note: Python of this pack runs: "


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a clone has, so that a session may write."""
    folder = tmp_path / "detlab"
    folder.mkdir()
    for name in ("scenarios", "generators", "lab", "docs"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


# A page's later sessions read what its earlier ones wrote, so a page is one test; no page reads what another wrote.
@pytest.mark.parametrize("page", SESSIONS, ids=lambda page: str(page.relative_to(ROOT)))
def test_sessions_print_what_the_page_shows(page: Path, checkout: Path) -> None:
    differing = []
    for session in SESSIONS[page]:
        printed = run([command for command, _ in session.commands], checkout)
        for (command, expected), lines in zip(session.commands, printed, strict=True):
            if not matches(list(expected), lines):
                differing.append(f"{session}\n$ {command}\nprinted:\n" + "\n".join(lines))
    assert not differing, "\n\n".join(differing)


def run(commands: list[str], folder: Path) -> list[list[str]]:
    script = "".join(f"{command}\n__code=$?; printf '%s\\n' '{MARK}'; (exit $__code)\n" for command in commands)
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    environment = {**os.environ, "PATH": path, "NO_COLOR": "1", "COLUMNS": "100"}
    done = subprocess.run(
        ["bash"],
        input=script,
        cwd=folder,
        env=environment,
        capture_output=False,
        text=True,
        timeout=120,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    # A clone is the pack that its own detlab came with; this copy is a stranger to the one that is installed.
    told = [line for line in done.stdout.splitlines(keepends=True) if not line.startswith(FOREIGN_PYTHON)]
    return [part.strip("\n").splitlines() for part in "".join(told).split(f"{MARK}\n")[: len(commands)]]


def matches(expected: list[str], printed: list[str]) -> bool:
    """Line by line; `...` alone stands for any lines, at the end of a line for any rest, and durations may differ."""
    while expected and not expected[-1]:
        expected = expected[:-1]
    if not expected:
        return not printed
    if expected[0].strip() == "...":
        return any(matches(expected[1:], printed[i:]) for i in range(len(printed) + 1))
    return bool(printed) and same(expected[0], printed[0]) and matches(expected[1:], printed[1:])


def same(expected: str, printed: str) -> bool:
    wanted, given = (SECONDS.sub("0.0 s", line.rstrip()) for line in (expected, printed))
    return wanted == given or (wanted.endswith("...") and given.startswith(wanted[:-3]))


def test_the_readme_shows_a_session():
    assert ROOT / "README.md" in SESSIONS


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_page_shows_a_session_that_is_not_run(page: Path) -> None:
    hidden = [
        f["info"]
        for f in FENCE.finditer(page.read_text("utf-8"))
        if "\n$ " in f"\n{f['body']}" and f["info"].strip() != "console"
    ]
    assert hidden == []


def test_a_line_of_three_dots_stands_for_any_lines():
    assert matches(["a", "...", "d"], ["a", "b", "c", "d"])
    assert not matches(["a", "...", "e"], ["a", "b", "c", "d"])
    assert not matches(["a"], ["a", "b"])


def test_durations_may_differ_and_nothing_else():
    assert matches(["3 scenarios; 0.9 s"], ["3 scenarios; 12.4 s"])
    assert not matches(["3 scenarios; 0.9 s"], ["4 scenarios; 0.9 s"])


def test_each_command_is_told_the_exit_code_of_the_one_before(tmp_path: Path) -> None:
    assert run(["false", "echo $?", "cd /; true", "echo $? >&2"], tmp_path) == [[], ["1"], [], ["0"]]

"""What shells are told: the script, and the words behind it."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import ShellComplete

from harness.cli.main import COMPLETION, main
from tests.cli.command_line import detlab


def words(*given, incomplete=""):
    shell = ShellComplete(main, {}, "detlab", COMPLETION)
    return [each.value for each in shell.get_completions(list(given), incomplete)]


def test_names_are_completed_where_an_option_takes_one():
    assert words("query", "--engine", incomplete="duck") == ["duckdb"]
    assert "falcon=" in words("run", "--condition", incomplete="fal")
    assert words("run", "--condition", incomplete="addon=") == ["addon=current", "addon=legacy"]
    assert words("new", "scenario", "--behaviour", incomplete="beac") == ["beacon"]
    assert words("query", "--language") == ["cql", "spl"]
    assert words(incomplete="hun") == ["hunt"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell):
    ran = detlab("completion", shell)
    assert ran.code == 0
    assert "_DETLAB_COMPLETE" in ran.out


def test_bash_completes_with_the_script():
    script = f'PATH={Path(sys.executable).parent}:$PATH; eval "$(detlab completion bash)"\n'
    script += 'COMP_WORDS=(detlab query --engine du); COMP_CWORD=3; _detlab_completion detlab; echo "${COMPREPLY[@]}"\n'
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["duckdb"], done.stderr

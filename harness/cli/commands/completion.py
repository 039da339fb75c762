"""Print what makes a shell complete commands, options, rules, engines, behaviours and conditions."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from harness.cli.main import COMPLETION
from harness.cli.screen import out
from harness.diagnostics import HarnessError

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> int:
    r"""Prints a script for SHELL that completes detlab's words.

    \b
    bash   in ~/.bashrc: eval "$(detlab completion bash)"
    zsh    in ~/.zshrc: eval "$(detlab completion zsh)"
    fish   detlab completion fish > ~/.config/fish/completions/detlab.fish
    """
    made = get_completion_class(shell)
    if made is None:
        raise HarnessError("unknown-shell", f"nothing is known of the shell {shell}", help=f"there are {SHELLS}")
    root = click.get_current_context().find_root().command
    out(made(root, {}, "detlab", COMPLETION).source())
    return 0

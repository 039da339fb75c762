"""Serve an editor: findings as one types, the manual, completion, quick fixes, verdicts beside each rule."""

from __future__ import annotations

from importlib import import_module

import click

from harness.diagnostics import UnreachableError


@click.command("lsp")
def command() -> int:
    r"""Speaks the Language Server Protocol on stdin and stdout, as VS Code, Neovim, Helix and Zed start it.

    Rules (.spl, .cql), rules inside YAML (Sigma, security_content, LogScale's exports), scenarios and detlab.yaml are
    looked through as they are typed; docs/editor.md says how each editor is set up.

    \b
    pip install 'detlab[editor]'
    detlab lsp
    """
    try:
        features = import_module("harness.editor.features")
    except ModuleNotFoundError as error:
        # One of our own that is missing is a defect, not an extra.
        if (error.name or "").partition(".")[0] not in ("pygls", "lsprotocol", "cattrs", "attrs"):
            raise
        hint = "pip install 'detlab[editor]'"
        raise UnreachableError(
            "needs-extra", "the language server needs pygls, which is not installed", help=hint
        ) from error
    features.serve()
    return 0

"""Print the JSON Schema of a document, for editors and for checks elsewhere."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import click

from harness.cli.options import PATH
from harness.cli.screen import out
from harness.diagnostics import HarnessError
from harness.output_file import write_file
from harness.scenario.pack import DEFAULT, behaviour_folders


@click.command("schema")
@click.argument("name", required=False)
@click.option("--out", "folder", type=PATH, metavar="DIR", help="Write NAME.schema.json there, all without NAME.")
def command(name: str | None, folder: Path | None) -> int:
    r"""Prints the JSON Schema of NAME: scenario, settings, rule, world or inventory; without NAME it lists them.

    Scenarios and worlds have the parameters of each behaviour, of those in ./generators too. An editor takes a schema
    by a line at the head of a document, which `detlab init` and `detlab new` write:

    \b
    # yaml-language-server: $schema=.detlab/scenario.schema.json

    \b
    detlab schema scenario
    detlab schema --out .detlab
    """
    # Imported by name: telling which there are needs no behaviour.
    schemas = import_module("harness.telemetry.document_schemas")
    if name is None and folder is None:
        out(list(schemas.SCHEMAS))
        return 0
    names = [name] if name is not None else list(schemas.SCHEMAS)
    folders = behaviour_folders(DEFAULT / "any.yaml")
    texts = {each: print_schema(schemas.build_schema(each, folders)) for each in names}
    if folder is None:
        out(texts[names[0]])
        return 0
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise HarnessError("unwritable", f"{folder}: {(error.strerror or str(error)).lower()}") from error
    for each, text in texts.items():
        write_file(folder / f"{each}.schema.json", text.encode("utf-8"))
        sys.stderr.write(f"wrote {folder / each}.schema.json\n")
    return 0


def print_schema(schema: dict[str, object]) -> str:
    """A schema as text."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"

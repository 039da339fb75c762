"""The documentation site: everything that has a name has a page, and no link leads nowhere."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from harness.cli.main import main
from harness.detection.language import list_languages
from harness.detection.reference import reference
from harness.report.error_manual import list_error_pages
from harness.telemetry.document_schemas import SCHEMAS, build_schema
from harness.telemetry.shape import list_shapes
from manual.__main__ import write_sources
from manual.markdown import escape_cell, fence

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FENCES = re.compile(r"^( *)(`{3,}).*?^\1\2", re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "docs"
    write_sources(folder)
    return folder


def test_each_link_between_pages_leads_somewhere(site: Path):
    broken = []
    for page in site.rglob("*.md"):
        text = re.sub(r"`[^`\n]*`", "", FENCES.sub("", page.read_text("utf-8")))
        for link in LINK.findall(text):
            target = link.partition("#")[0]
            if target and "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(site)}: {link}")
    assert broken == []


def test_each_command_and_each_of_its_options_is_on_its_page(site: Path):
    context = click.Context(main)
    for name in main.list_commands(context):
        command = main.get_command(context, name)
        assert command is not None
        page = (site / "reference" / "commands" / f"{name}.md").read_text("utf-8")
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.opts[0] in page, f"{name} {parameter.opts[0]}"


def test_each_command_and_function_of_a_language_is_on_its_page(site: Path):
    for language in list_languages():
        page = (site / "reference" / f"{language}.md").read_text("utf-8")
        missing = [e.name for e in reference(language).entries if f"| `{e.name}` |" not in page]
        assert missing == []


def test_each_error_each_behaviour_and_each_shape_is_on_a_page(site: Path):
    errors = {path.stem for path in (site / "reference" / "errors").glob("*.md")}
    assert {page.code for page in list_error_pages()} <= errors
    behaviours = (site / "reference" / "behaviours.md").read_text("utf-8")
    root = Path(__file__).parents[2]
    assert [p.stem for p in root.glob("generators/[!_]*.py") if f"## `{p.stem}`" not in behaviours] == []
    shapes = (site / "reference" / "shapes.md").read_text("utf-8")
    assert [s.name for s in list_shapes() if f"`{s.name}`" not in shapes] == []


def test_each_key_of_a_document_is_on_its_page(site: Path):
    for name in SCHEMAS:
        page = (site / "reference" / "documents" / f"{name}.md").read_text("utf-8")
        for definition in build_schema(name, [])["$defs"].values():
            assert [key for key in definition.get("properties", ()) if f"| `{key}` |" not in page] == []


def test_nothing_that_a_cell_or_a_block_holds_ends_it():
    assert escape_cell("a | *b* <script> `x|y`") == r"a \| \*b\* \<script\> `x\|y`"
    assert next(iter(fence("```\nx\n```"))) == "````"


@pytest.mark.more
def test_the_site_is_built_without_a_complaint(tmp_path: Path):
    root = Path(__file__).parents[2]
    settings = (root / "zensical.toml").read_text("utf-8")
    (tmp_path / "zensical.toml").write_text(settings, "utf-8")
    write_sources(tmp_path / "dist" / "docs")
    command = [sys.executable, "-m", "zensical", "build"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "No issues found" in built.stdout + built.stderr
    assert (tmp_path / "dist/site/reference/errors/unknown-aggregate.html").is_file()

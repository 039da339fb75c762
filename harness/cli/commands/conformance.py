"""Run the conformance cases on an engine or on a real product, and settle what is open."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from harness.cli import options
from harness.cli.front_door import check_at_command, probe_refusals
from harness.cli.screen import DIFFERS, ProgressLine, out, paper
from harness.detection.conformance import (
    Checked,
    FilledPage,
    Settled,
    SettlingState,
    check_here,
    check_there,
    fill_page,
    mark_observed,
    settle,
    without_gap,
)
from harness.detection.conformance_page import pages, parse_cases
from harness.detection.engine import Engine, is_remote
from harness.detection.engine import open_engine as engine_of
from harness.detection.evidence import (
    LanguageEvidence,
    encode_evidence,
    find_evidence_file,
    gather_page_evidence,
    list_stale_pages,
    read_evidence,
)
from harness.detection.language import find_product_language, language, list_languages
from harness.detection.remote_engine import RemoteProduct
from harness.diagnostics import HarnessError, Source
from harness.output_file import write_file
from harness.report.console import Paper, escape_controls, format_count
from harness.report.json_document import VERSION, dumps
from harness.scenario.pack import BUNDLED

PAGES = Path("tests/conformance")
# A gap that closed fails, as a strict xfail does: the page is to be changed.
GOOD = (SettlingState.HOLDS, SettlingState.GAP)


@click.command("conformance")
@click.argument("folder", type=options.PATH, required=False)
@click.option("--language", "wanted", type=click.Choice(list_languages()), help="Only this language's cases.")
@click.option("--url-env", metavar="NAME", help="Variable with the product's address (SPLUNK_URL, LOGSCALE_URL).")
@click.option("--token-env", metavar="NAME", help="Variable with a token (SPLUNK_TOKEN, LOGSCALE_TOKEN).")
@click.option(
    "--write", is_flag=True, help="Fill in empty outputs; with a product, make `assumed` into `observed on ...`."
)
@click.option(
    "--through-command",
    is_flag=True,
    help="Run each case as `detlab query` on files; with --write, keep what it shows of each function.",
)
@options.engine_option
@options.json_option
@options.verbose
def command(
    folder: Path | None,
    wanted: str | None,
    url_env: str | None,
    token_env: str | None,
    write: bool,
    through_command: bool,
    engine: str,
    as_json: bool,
    verbose: bool,
) -> int:
    r"""Runs every case of FOLDER (default: tests/conformance, else the pages that came with detlab) on an engine.

    --engine splunk and --engine logscale send the queries to a real product over TLS, with the cases' events in front
    of them: nothing is stored there. What holds may be called observed, and each open question (a switch) is asked.
    --write fills output blocks that are empty; with a product, cases that hold there become observed instead. With
    --through-command it runs the pages that have changed, and `detlab docs` then says what came of them.

    \b
    detlab conformance
    detlab conformance --write
    detlab conformance --through-command --write
    SPLUNK_URL=https://search-head:8089 SPLUNK_TOKEN=... detlab conformance --engine splunk --write
    """
    folder = folder or find_pages(write=write)
    spoken = find_product_language(engine).name if is_remote(engine) else wanted
    if wanted not in (None, spoken):
        raise HarnessError("usage", f"{engine} does not run {wanted}")
    if through_command:
        return run_through_command(folder, wanted, write=write, as_json=as_json, verbose=verbose)
    product = connect_product(engine, url_env, token_env)
    return run_on_engine(folder, spoken, engine, product, write=write, as_json=as_json, verbose=verbose)


def find_pages(*, write: bool) -> Path:
    """The pages of a checkout, else those that an installed detlab carries, which nobody writes to."""
    carried = BUNDLED / "conformance"
    if PAGES.is_dir() or not carried.is_dir():
        return PAGES
    if write:
        hint = f"copy {carried} to {PAGES}"
        raise HarnessError("usage", "the pages that came with detlab are not written to", help=hint)
    return carried


def run_on_engine(
    folder: Path,
    spoken: str | None,
    engine: str,
    product: RemoteProduct | None,
    *,
    write: bool,
    as_json: bool,
    verbose: bool,
) -> int:
    """Runs the cases on an engine or on a product."""
    version = product.version() if product else engine
    # Beside a product: its answers to open questions are held against those of each value here.
    with closing(engine_of("duckdb" if product else engine)) as local:
        filled = list(fill_pages(folder, spoken, local)) if write and not product else []
        write_filled(filled)
        checked = list(check_all(folder, spoken, product, local))
        settled = list(settle(product, local)) if product else []
    if write and product:
        rewrite(checked, version)
    if as_json:
        out(dumps(encode_conformance(checked, settled, version) | encode_filled_outputs(filled)))
    else:
        out(format_conformance(checked, settled, version, paper(), filled=filled, verbose=verbose))
    return find_exit_code(checked)


def find_exit_code(checked: Iterable[Checked]) -> int:
    """1 where a case differs, or a gap is closed and nobody says so."""
    return 0 if all(c.state in (*GOOD, SettlingState.NOT_RUN) for c in checked) else DIFFERS


def run_through_command(folder: Path, wanted: str | None, *, write: bool, as_json: bool, verbose: bool) -> int:
    """Runs the cases as `detlab query`; with `write` those of pages that have changed, and keeps what they show."""
    checked: list[Checked] = []
    for name in [wanted] if wanted else list_languages():
        own = [page for spoken, page in pages(folder) if spoken == name]
        known = read_evidence(find_evidence_file(name))
        found = list(check_at_commands(name, list_stale_pages(known, own) if write else own))
        checked += found
        if write:
            listed = list(language(name).reference())
            kept = {p.name: known.pages[p.name] for p in own if p.name in known.pages}
            for page in dict.fromkeys(c.page for c in found):
                kept[page.name] = gather_page_evidence(page, [c for c in found if c.page == page], listed)
            evidence = LanguageEvidence(pages=kept, refused=probe_refusals(name, listed))
            write_file(find_evidence_file(name), encode_evidence(evidence))
    if as_json:
        out(dumps(encode_conformance(checked, (), "the command")))
    elif checked:
        out(format_conformance(checked, (), "the command", paper(), filled=(), verbose=verbose))
    return find_exit_code(checked)


def check_at_commands(name: str, chosen: Sequence[Path]) -> Iterator[Checked]:
    """Every case of some pages through the command."""
    found = [(p, case) for p in chosen for case in parse_cases(Source(str(p), p.read_text("utf-8")), name)]
    progress = ProgressLine()
    for number, (page, case) in enumerate(found, 1):
        progress(case.title, number, len(found))
        yield check_at_command(case, page)
    progress.done()


def connect_product(engine: str, url_env: str | None, token_env: str | None) -> RemoteProduct | None:
    """The product, if the engine is one."""
    if not is_remote(engine):
        return None
    chosen = {k: v for k, v in (("url_name", url_env), ("token_name", token_env)) if v}
    product: RemoteProduct = import_module(f"harness.detection.engines.{engine}").connect(**chosen)
    return product


def check_all(folder: Path, language: str | None, product: RemoteProduct | None, local: Any) -> Iterator[Checked]:
    """Every case of the pages, in order."""
    found = [
        (page, case)
        for name, page in pages(folder)
        if language in (None, name)
        for case in parse_cases(Source(str(page), page.read_text("utf-8")), name)
    ]
    if not found:
        raise HarnessError("no-cases", f"there is no conformance case in {folder}", help="name a folder of pages")
    progress = ProgressLine()
    for number, (page, case) in enumerate(found, 1):
        progress(case.title, number, len(found))
        # A known gap is detlab's; a product has none of ours.
        yield check_there(without_gap(case), page, product) if product else check_here(case, page, local)
    progress.done()


def fill_pages(folder: Path, language: str | None, engine: Engine) -> Iterator[FilledPage]:
    """The pages that have empty outputs, with what the engine gives in place of them."""
    for name, page in pages(folder):
        if language in (None, name):
            filled = fill_page(page, name, engine)
            if filled.cases:
                yield filled


def rewrite(checked: Sequence[Checked], version: str) -> None:
    """Changes the evidence in the pages."""
    for page in dict.fromkeys(c.page for c in checked):
        source = Source(str(page), page.read_text("utf-8"))
        text = mark_observed(source, [c for c in checked if c.page == page], version)
        if text != source.text:
            write_page(page, text)


def write_filled(filled: Sequence[FilledPage]) -> None:
    """Writes pages with their new outputs."""
    for each in filled:
        write_page(each.page, each.text)


def write_page(page: Path, text: str) -> None:
    """Writes a page anew; its lines end as they did."""
    write_file(page, (text.replace("\n", "\r\n") if b"\r\n" in page.read_bytes() else text).encode("utf-8"))


def format_filled_outputs(filled: Sequence[FilledPage], sheet: Paper) -> Iterator[str]:
    """The cases that have an output now and had none before."""
    cases = [case for page in filled for case in page.cases]
    yield from (sheet.paint(f"{c.place}: {escape_controls(c.title)}: output filled in", "warn") for c in cases)
    yield from [""] if cases else []


def format_conformance(
    checked: Sequence[Checked],
    settled: Sequence[Settled],
    version: str,
    sheet: Paper,
    *,
    filled: Sequence[FilledPage],
    verbose: bool,
) -> Iterator[str]:
    """Outputs filled in, cases that differ, counts by page, what is now observed, questions and their answers."""
    yield from format_filled_outputs(filled, sheet)
    for each in checked:
        if each.state not in GOOD and (verbose or each.state is not SettlingState.NOT_RUN):
            yield sheet.paint(f"{each.case.place}: {escape_controls(each.case.title)}: {each.state}", "bad")
            yield from (f"    {line}" for line in escape_controls(each.problem).splitlines())
            yield ""
    counted = {
        page: Counter(c.state for c in checked if c.page == page) for page in dict.fromkeys(c.page for c in checked)
    }
    rows = [
        [page.stem, page.parent.name, *(str(found[s] or "") for s in SettlingState)] for page, found in counted.items()
    ]
    totals = Counter(c.state for c in checked)
    rows.append(["all", "", *(str(totals[s] or "") for s in SettlingState)])
    yield from sheet.table(("page", "language", *map(str, SettlingState)), rows, right=frozenset(range(2, 7)))
    assumed = [c for c in checked if c.observable]
    yield from sheet.paragraph(f"{format_count(len(checked), 'case')} on {version}")
    if settled:
        yield from sheet.paragraph(
            f"{format_count(len(assumed), 'case')} that were assumed have been observed; --write says so"
        )
        for question in settled:
            answer = " or ".join(question.values) or f"open ({question.problem})"
            yield from sheet.paragraph(f"{question.switch.name}: {answer}")


def encode_filled_outputs(filled: Sequence[FilledPage]) -> dict[str, Any]:
    """The cases whose output was filled in, for machines; nothing where there is none."""
    cases = [{"page": str(page.page), "title": case.title} for page in filled for case in page.cases]
    return {"filled": cases} if cases else {}


def encode_conformance(checked: Sequence[Checked], settled: Sequence[Settled], version: str) -> dict[str, Any]:
    """Everything for machines."""
    return {
        "document": "conformance",
        "version": VERSION,
        "engine": version,
        "cases": [
            {
                "page": str(c.page),
                "title": c.case.title,
                "language": c.case.language,
                "evidence": c.case.evidence,
                "state": str(c.state),
                "problem": c.problem,
                "observed": bool(settled) and c.observable,
            }
            for c in checked
        ],
        "switches": [{"name": s.switch.name, "values": list(s.values), "problem": s.problem} for s in settled],
    }

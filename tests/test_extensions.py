"""What ARCHITECTURE.md promises to whoever adds something: the file that its table names, and nothing else.

Each test puts a file of `extensions/` where the table says into a copy of the package, and uses it at the command line.
"""

import compileall
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXTENSIONS = Path(__file__).parent / "extensions"
PEOPLE = "\n".join(
    json.dumps({"@timestamp": 1_700_000_000_000 + 1000 * i, "who": who, "what": what})
    for i, (who, what) in enumerate([("ann", "door"), ("bob", "door"), ("ann", "gate")])
)


class Checkout:
    """A copy of the package in a folder of its own, and the `detlab` of that copy."""

    def __init__(self, folder, compiled):
        self.folder = folder
        shutil.copytree(compiled, folder / "harness")
        (folder / "generators").symlink_to(ROOT / "generators")

    def add(self, name, place):
        """Puts a file of `extensions/` into a folder of the package, which had none of that name."""
        target = self.folder / "harness" / place
        assert not target.exists()
        target.parent.mkdir(exist_ok=True)
        shutil.copy(EXTENSIONS / name, target)

    def write(self, name, text):
        """A file that somebody works with."""
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(text, encoding="utf-8")

    def run(self, *arguments):
        """What a command line says: exit code, stdout, stderr."""
        command = [sys.executable, "-c", "from harness.cli.main import main; main()", *arguments]
        environment = {**os.environ, "COLUMNS": "150"}
        return subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def out(self, *arguments, code=0):
        """The stdout of a command line that ends so."""
        ran = self.run(*arguments)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return ran.stdout

    def rows(self, rule, events):
        """The rows that a rule gives."""
        return json.loads(self.out("query", rule, "--events", events, "--json"))["rows"]


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The package with its bytecode, which is good for copies too, so that each command starts sooner."""
    folder = tmp_path_factory.mktemp("compiled") / "harness"
    shutil.copytree(ROOT / "harness", folder)
    compileall.compile_dir(folder, quiet=1)
    return folder


@pytest.fixture
def checkout(tmp_path, compiled):
    made = Checkout(tmp_path, compiled)
    made.write("people.ndjson", PEOPLE)
    return made


def test_a_function_of_cql_is_one_decorated_function(checkout):
    checkout.add("shout.py", "detection/languages/cql/functions/shout.py")
    checkout.write("loud.cql", 'a := TEXT:Shout(who, mark="?") | test(text:shout("x") == "X!") | groupBy(a)')
    assert checkout.rows("loud.cql", "people.ndjson") == [{"a": "ANN?", "_count": 2}, {"a": "BOB?", "_count": 1}]
    # A state is what runs of pages showed, and there is no page of it.
    assert "text:shout  untested" in checkout.out("docs", "text:shout")
    checkout.write("other.cql", "who=bob | select([what])")
    assert checkout.rows("other.cql", "people.ndjson") == [{"what": "door"}]


def test_what_a_function_of_cql_says_of_itself_is_asked_wherever_it_matters(checkout):
    checkout.add("shout.py", "detection/languages/cql/functions/shout.py")
    checkout.write("loud.cql", "a := text:shout(who and what) | min(a)\n| echo(who)\n")
    told = {f["code"]: f["message"] for f in found(checkout, "loud.cql")}
    assert "and-in-expression" in told
    assert told["text-in-min-max"] == "`min` is numeric and `a` is text of `text:shout`: it gives nothing"
    checkout.write("early.cql", "echo(who)")
    assert [f["code"] for f in found(checkout, "early.cql")] == ["unordered"]


def found(checkout, rule):
    """What lint says of a rule."""
    (document,) = json.loads(checkout.run("lint", rule, "--json").stdout)["rules"]
    return document["findings"]


def test_a_function_of_cql_that_is_silent_about_a_fact_is_told_of_in_words(checkout):
    checkout.add("shout.py", "detection/languages/cql/functions/shout.py")
    place = "harness/detection/languages/cql/functions/shout.py"
    checkout.write(place, (checkout.folder / place).read_text().replace(", order=RowOrder.NEEDS", ""))
    checkout.write("other.cql", "who=bob")
    assert checkout.run("query", "other.cql", "--events", "people.ndjson").stderr == (
        "error[registration]: the CQL function `echo` does not say `order`\n"
        "  = help: a step says whether it `gathers` events into rows, its FieldEffect and its RowOrder\n"
    )


def test_a_sensor_is_one_file(checkout):
    checkout.add("dns_server_analytic.py", "telemetry/sensors/dns_server_analytic.py")
    checkout.write("queries.spl", f"{SPLUNKS_NAMES} EventCode=256 | stats count by QNAME")
    checkout.write("look-ups.yaml", LOOK_UPS)
    assert "the Analytical channel of the DNS server" in checkout.out("list", "sensors")
    assert "1 verdict as expected, 0 differ; 1 signal as expected, 0 differ" in checkout.out("run", "look-ups.yaml")
    for form in ("windows_xml", "ndjson", "parquet"):
        checkout.run("simulate", "look-ups.yaml", "--format", form, "--out", form)
    asked = checkout.rows("queries.spl", "windows_xml")
    assert len(asked) > 0
    assert checkout.rows("queries.spl", "ndjson") == checkout.rows("queries.spl", "parquet") == asked
    told = [
        json.loads(line) for line in checkout.out("simulate", "look-ups.yaml", "--format", "splunk_hec").splitlines()
    ]
    ours = [(e["source"], e["sourcetype"]) for e in told if "DNSServer/Analytical" in str(e["event"])]
    assert set(ours) == {("XmlWinEventLog:Microsoft-Windows-DNSServer/Analytical", "xmlwineventlog")}


SPLUNKS_NAMES = (
    'index=wineventlog source="XmlWinEventLog:Microsoft-Windows-DNSServer/Analytical" sourcetype=xmlwineventlog'
)
LOOK_UPS = """title: Look-ups
technique: T1583.004
activity: malicious
simulate:
  - behaviour: dns_lookups
telemetry:
  - {sensor: dns_server_analytic, event: 256, at_least: 1}
expect:
  - {rule: queries.spl, outcome: true positive}
"""


def test_two_sensors_do_not_write_one_channel(checkout):
    checkout.add("dns_server_analytic.py", "telemetry/sensors/dns_server_analytic.py")
    place = "harness/telemetry/sensors/dns_server_analytic.py"
    text = (checkout.folder / place).read_text()
    checkout.write(place, text.replace("-DNSServer/Analytical", "-DNS-Client/Operational"))
    checkout.write("any.spl", "who=ann")
    assert checkout.run("query", "any.spl", "--events", "people.ndjson").stderr == (
        "error[registration]: the sensors `dns_client` and `dns_server_analytic` both write the channel "
        "Microsoft-Windows-DNS-Client/Operational\n"
        "  = help: let one of them record both activities\n"
    )


def test_a_language_is_one_folder(checkout):
    checkout.add("kql.py", "detection/languages/kql/__init__.py")
    checkout.write("rules/ann.kql", 'People\n| where who == "ann"\n| where what == "door"\n')
    checkout.write("rules/sum.kql", "People | summarize count()")
    assert [(r["who"], r["what"]) for r in checkout.rows("rules/ann.kql", "people.ndjson")] == [("ann", "door")]
    assert "kql       Sentinel  logscale" in checkout.out("list", "languages")
    assert checkout.out("lint", "rules/ann.kql") == "rules/ann.kql (Sentinel): 0 errors, 0 warnings, 0 notes\n"
    assert checkout.run("lint", "rules/sum.kql").returncode == 1
    for engine in ("duckdb", "spark"):
        assert "who" in checkout.out("compile", "rules/ann.kql", "--dialect", engine)
    explained = checkout.out("explain", "rules/ann.kql", "--events", "people.ndjson")
    assert [line.split() for line in explained.splitlines() if line.endswith("2 -> 1")] == [
        ["3", "where", "what", "==", '"door"', "2", "->", "1", "2", "->", "1"]
    ]
    covered = json.loads(checkout.out("coverage", "rules", "--json", code=1))["covered"]
    assert {Path(r["path"]).name: r["stage"] for r in covered} == {"ann.kql": "runs", "sum.kql": "parse"}


def test_docs_tell_of_every_language_there_is(checkout):
    checkout.add("kql.py", "detection/languages/kql/__init__.py")
    checkout.write("tests/conformance/kql/where.md", CONFORMANCE.format(language="kql", query='T | where a == "x"'))
    assert "operator  where      untested" in checkout.out("docs", "--language", "kql")
    checkout.out("conformance", "--language", "kql", "--through-command", "--write")
    told = checkout.out("docs", "--language", "kql")
    assert told.splitlines()[1:] == [
        "operator  summarize  refused    none       an error names it",
        "operator  where      supported  1 assumed  Keeps rows.",
        "Sentinel (kql): 2 entries: 1 supported, 0 diverging, 1 refused",
        "cases run through the command: 1 right, 0 argued, 0 wrong",
    ]
    every = json.loads(checkout.out("docs", "--json"))["languages"]
    assert [each["language"] for each in every] == ["cql", "kql", "spl"]
    assert "1 case on duckdb" in checkout.out("conformance", "--language", "kql")


CONFORMANCE = """# A page

## Rows with a value

```input
a | b
x | 1
y | 2
```

```{language}
{query}
```

```output
a | b
x | 1
```
"""


def test_a_language_that_is_silent_about_a_part_is_told_of_in_words(checkout):
    checkout.add("kql.py", "detection/languages/kql/__init__.py")
    place = "harness/detection/languages/kql/__init__.py"
    checkout.write(place, (checkout.folder / place).read_text().replace('    remote: str = ""\n', ""))
    checkout.write("ann.kql", 'People | where who == "ann"')
    assert checkout.run("query", "ann.kql", "--events", "people.ndjson").stderr == (
        "error[registration]: the language `kql` does not say `remote`\n"
        "  = help: harness/detection/language.py says what each is\n"
    )


def test_an_engine_that_is_a_product_belongs_to_a_language(checkout):
    checkout.write("harness/detection/engines/sentinel.py", "REMOTE = True\n\n\ndef connect():\n    return None\n")
    assert checkout.run("conformance", "--engine", "sentinel").stderr == (
        "error[registration]: no language says that the engine `sentinel` is its product\n"
        '  = help: let its language have `remote = "sentinel"`\n'
    )


def test_an_engine_is_one_module(checkout):
    checkout.add("sqlite.py", "detection/engines/sqlite.py")
    for name, query in (("equal", 'a="x"'), ("capitals", 'test(upper(a) == "X")'), ("pattern", "a=/x/")):
        text = CONFORMANCE.format(language="cql", query=query)
        checkout.write(f"pages/cql/{name}.md", text)
    ran = json.loads(checkout.out("conformance", "pages", "--engine", "sqlite", "--json", code=1))
    told = {Path(case["page"]).stem: (case["state"], case["problem"]) for case in ran["cases"]}
    assert told["equal"] == ("holds", "")
    assert "sqlite cannot run `upper`: the operation is not in its table" in told["capitals"][1]
    assert "sqlite cannot run `contains`: the operation is not in its table" in told["pattern"][1]
    checkout.write("ann.cql", "who=ann")
    assert [
        row["what"]
        for row in json.loads(
            checkout.out("query", "ann.cql", "--events", "people.ndjson", "--engine", "sqlite", "--json")
        )["rows"]
    ] == ["door", "gate"]
    assert "sqlite" in checkout.out("list", "engines")


def test_a_report_format_is_one_file(checkout):
    checkout.add("asciidoc.py", "report/formats/asciidoc.py")
    checkout.write("any.cql", "#event_simpleName=DnsRequest")
    checkout.write("look-ups.yaml", LOOK_UPS.split("telemetry:")[0] + EXPECTED)
    checkout.out("run", "look-ups.yaml", "--asciidoc", "report.adoc")
    assert (checkout.folder / "report.adoc").read_text().splitlines()[1:-1] == ["|Look-ups |any.cql |true positive"]


EXPECTED = """expect:
  - {rule: any.cql, outcome: true positive}
"""


def test_a_subcommand_is_one_file(checkout):
    checkout.add("count_scenarios.py", "cli/commands/count_scenarios.py")
    checkout.write("scenarios/look-ups.yaml", LOOK_UPS)
    assert checkout.out("count-scenarios", "scenarios") == "1 scenarios\n"
    assert "count-scenarios  Say how many scenarios a folder holds." in checkout.out("--help")

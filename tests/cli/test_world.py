"""`detlab world learn` as a person uses it: a capture becomes a world, and nothing of the capture is in it."""

import gzip
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.main import main
from harness.scenario.world import read_world
from harness.telemetry.simulation.world.anonymous_text import Anonymizer
from harness.telemetry.store.manifest import read_manifest


def detlab(*arguments):
    return CliRunner().invoke(main, [str(a) for a in arguments])


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    samples = Path(__file__).parents[3] / "shared" / "samples"
    if not samples.is_dir():
        pytest.skip("recorded samples are not beside the checkout")
    path = tmp_path_factory.mktemp("learned") / "mine.yaml"
    ran = detlab("world", "learn", samples / "sysmon_1_3_22.ndjson.gz", "--out", path)
    assert ran.exit_code == 0, ran.output
    return path


def read_secrets(samples):
    """Every account, computer, address, DNS name and path of the capture."""
    found = set()
    with gzip.open(samples / "sysmon_1_3_22.ndjson.gz", "rt") as lines:
        for event in map(json.loads, lines):
            for name in ("Hostname", "Computer", "SourceIp", "DestinationIp", "SourceHostname", "DestinationHostname"):
                found.add(event.get(name))
            for name in ("User", "ParentUser", "AccountName"):
                account = event.get(name) or ""
                found |= {account, account.rpartition("\\")[2]} if not account.startswith("NT AUTHORITY") else set()
            for name in ("QueryName", "Image", "ParentImage", "CurrentDirectory"):
                found.add(event.get(name))
            # Whole paths: without a blank, so that none is cut, and below more than a drive.
            found |= set(re.findall(r"(?<![A-Za-z])[A-Za-z]:\\[^\s\"\\]+\\[^\s\"]+", event.get("CommandLine") or ""))
            found |= set(re.findall(r"\d{1,3}(?:\.\d{1,3}){3}", event.get("CommandLine") or ""))
    ours = {"SYSTEM", "NETWORK SERVICE", "LOCAL SERVICE", "System", "-", "localhost"}
    return {s for s in found if s and s not in ours and len(s) > 2 and not s.startswith(("<", "&lt;"))}


def test_nothing_of_the_recording_is_in_the_document(learned, samples):
    text = learned.read_text("utf-8").lower()
    secrets = read_secrets(samples)
    assert len(secrets) > 900
    assert [s for s in sorted(secrets) if re.search(rf"(?<![\w.]){re.escape(s.lower())}(?![\w.])", text)] == []


def test_the_document_has_the_recordings_programs_with_their_parents_and_lines(learned):
    programs = read_world(learned).body.programs
    hosts = {p.image: p for p in programs.values()}
    assert r"{system32}\svchost.exe" in hosts
    by_image = [(p.image, p.parent) for p in programs.values()]
    assert (r"{system32}\svchost.exe", "services.exe") in by_image
    assert (r"{system32}\wbem\WmiPrvSE.exe".lower(), "DcomLaunch") in [(i.lower(), p) for i, p in by_image]
    lines = [line for p in programs.values() for line in p.lines]
    assert "{image} -k netsvcs -p -s gpsvc" in lines
    assert len(lines) > 250


def test_the_learned_world_is_simulated_at_the_rate_that_was_recorded(learned, tmp_path):
    ran = detlab(
        "simulate", "--world", learned, "--hosts", 6, "--days", 1, "--sensors", "sysmon", "--out", tmp_path / "w"
    )
    assert ran.exit_code == 0, ran.output
    body = read_world(learned).body
    rate = sum(p.per_hour * p.share for p in body.programs.values())
    counts = {t.kind: t.rows for t in read_manifest(tmp_path / "w").tables}
    # Console hosts come on top, and hosts differ in their habits.
    assert 0.6 * rate * 24 * 6 < counts["1"] < 2.2 * rate * 24 * 6
    assert counts["3"] > 100
    assert counts["22"] > 100


def test_a_capture_without_anything_to_learn_is_refused(tmp_path):
    path = tmp_path / "falcon.ndjson"
    path.write_text(
        '{"event_simpleName":"SensorHeartbeat","event_platform":"Win","aid":"a","timestamp":"1713805173321"}\n'
    )
    ran = detlab("world", "learn", path, "--out", tmp_path / "w.yaml")
    assert ran.exit_code != 0
    assert "nothing-to-learn" in ran.output
    assert not (tmp_path / "w.yaml").exists()


@pytest.mark.parametrize(
    ("text", "template"),
    [
        (r"C:\Users\ann.lee\AppData\Local\Temp\3f2a99bc11.tmp", r"{temp}\{hex:10}.tmp"),
        (r"C:\Users\ann.lee\Documents\Zephyrine budget.xlsx", r"{profile}\Documents\{word} {word}.xlsx"),
        (r"\\filer7\finance$\zq.docx", r"\\{file_server}\{word}$\zq.docx"),
        (r"C:\Windows\System32\spool\PRINTERS\00012.SPL", r"{system32}\spool\PRINTERS\{digits:5}.SPL"),
    ],
)
def test_a_path_becomes_what_kind_of_path_it_is(text, template):
    assert Anonymizer(secrets=frozenset({"ann", "lee", "filer7"})).path(text) == template


def test_a_command_line_keeps_its_form_and_no_argument():
    anonymizer = Anonymizer(secrets=frozenset({"corpdc01", "ann"}))
    line = r'"C:\Windows\System32\net.exe" use Z: \\corpdc01\secretshare$ /user:ann Pa55word! 10.1.2.3'
    found = anonymizer.line(line, r"C:\Windows\System32\net.exe")
    assert found.startswith('"{image}" use Z: \\\\{file_server}\\')
    for secret in ("corpdc01", "secretshare", "ann ", "Pa55", "10.1.2.3"):
        assert secret not in found

"""Every sentence of what the pages promise of their tests is held to what is recorded, or it is said why not."""

import re
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest
import yaml

from harness.scenario.scenario import read_scenario

SHARED = Path(__file__).parents[3] / "shared"
PACK = Path(__file__).parents[2] / "scenarios" / "T1583.004"
PARAGRAPH = re.compile(r"Test (\d)[^\n]*\n\s*Expected signal: (.*)")
SENTENCE = re.compile(r"(?<=[.)])\s+(?=[A-Z])")


class Assertion(msgspec.Struct, forbid_unknown_fields=True):
    scenario: str
    sensor: str
    event: str | int
    field: str = ""


class Promise(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    test: int
    sentence: int
    sha256: str
    says: str
    asserted: list[Assertion] = []
    otherwise: str = ""
    shown: list[str] = []


class Page(msgspec.Struct, forbid_unknown_fields=True):
    page: str
    signals: list[Promise]


PROMISES = msgspec.convert(yaml.safe_load((PACK / "signals.yaml").read_text("utf-8")), Page).signals


def name(promise):
    return f"{promise.test}.{promise.sentence}"


@pytest.mark.parametrize("promise", PROMISES, ids=name)
def test_a_promise_is_asserted_or_said_to_be_otherwise(promise):
    assert promise.asserted or promise.otherwise
    assert bool(promise.otherwise) == bool(promise.shown)
    for each in promise.asserted:
        signals = read_scenario(PACK / each.scenario).body.telemetry
        same = [s for s in signals if (s.sensor, str(s.event)) == (each.sensor, str(each.event))]
        assert any(not each.field or each.field in s.where for s in same), each
    for shown in promise.shown:
        # Some signal of it says itself why it is not what the page promises.
        assert any(s.because for s in read_scenario(PACK / shown).body.telemetry), shown


@pytest.mark.parametrize("page", ["splunk_t1583_004.txt", "logscale_t1583_004.txt"])
def test_every_sentence_of_the_page_is_among_them(page):
    path = SHARED / "seeds" / page
    if not path.exists():
        pytest.skip("the published pages are not here")
    promised = {
        (int(number), place): sha256(" ".join(sentence.split()).encode()).hexdigest()
        for number, paragraph in PARAGRAPH.findall(path.read_text("utf-8"))
        for place, sentence in enumerate(SENTENCE.split(paragraph), 1)
    }
    assert len(promised) == 14
    assert {key: text[:12] for key, text in promised.items()} == {(p.test, p.sentence): p.sha256 for p in PROMISES}


def test_routable_scenarios_assert_what_is_recorded():
    for path in sorted((PACK / "routable").glob("*.yaml")):
        assert {s.sensor for s in read_scenario(path).body.telemetry} >= {"sysmon", "falcon"}, path

"""The fate of a mutant is what its rule does when somebody edits the text by hand."""

import pytest

from harness.run import Bench
from harness.run_options import RunOptions
from harness.study_trials import build_expecting_trials
from harness.verdict.mutate.mutate import mutate
from harness.verdict.study.ensemble import is_noticed

SPIKE = r"""index=wineventlog EventCode=1 Image="*\\ping.exe"
| bucket _time span=1m
| stats count as starts, values(CommandLine) as lines by host, _time
| eventstats avg(starts) as mean, stdev(starts) as sd by host
| eval upper=mean+sd*2
| eval odd=if(starts>8 AND starts>=upper, 1, 0)
| search odd=1"""
TOOLS = r"""#event_simpleName=ProcessRollup2 ImageFileName=/(xping|ping|whoami)\.exe$/i
| bucket(span=5m, field=[aid], function=[count(ImageFileName, distinct=true, as=tools), collect([CommandLine])])
| tools >= 2"""
EDITS = {
    "rule.spl": [
        ("> becomes >= in `starts>8`", ("starts>8", "starts>=8")),
        ("> becomes <= in `starts>8`", ("starts>8", "starts<=8")),
        (">= becomes > in `starts>=upper`", ("starts>=upper", "starts>upper")),
        ("`starts>8` dropped", ("starts>8 AND ", "")),
        ("`starts>=upper` dropped", (" AND starts>=upper", "")),
        ("8 becomes 9", ("starts>8", "starts>9")),
        ("2 becomes 3", ("sd*2", "sd*3")),
        ("0 becomes -1", ("1, 0)", "1, -1)")),
        ("0 becomes 1", ("1, 0)", "1, 1)")),
        ("+ becomes - in `mean+sd*2`", ("mean+sd", "mean-sd")),
        ("mean becomes maximum in `mean`", ("avg(starts)", "max(starts)")),
        ("spans half as long in ", ("span=1m", "span=30s")),
        ("values becomes all values with repetitions in `lines`", ("values(", "list(")),
        ("`odd=1` turned around", ("odd=1", "odd!=1")),
    ],
    "rule.cql": [
        (">= becomes > in `tools >= 2`", ("tools >= 2", "tools > 2")),
        ("2 becomes 1 in `tools >= 2`", ("tools >= 2", "tools >= 1")),
        (r"xping dropped in `ImageFileName=/(xping|ping|whoami)\.exe$/i`", ("xping|", "")),
        (r"ping dropped in `ImageFileName=/(xping|ping|whoami)\.exe$/i`", ("|ping", "")),
        ("count_distinct becomes count of all in `tools`", (", distinct=true", "")),
    ],
}
SCENARIO = """\
title: {title}
activity: {title}
conditions: {{falcon: enriched}}
simulate: [{steps}]
expect:
  - {{rule: rule.spl, outcome: {outcome}}}
  - {{rule: rule.cql, outcome: {outcome}}}
"""


def step(at: int, image: str = "ping") -> str:
    return (
        f"{{behaviour: process, host: WS01, at: {at}s, "
        f"given: {{image: 'C:\\Windows\\System32\\{image}.exe', command_line: {image} a{at % 3}, lasts: 1s}}}}"
    )


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "rule.spl").write_text(SPIKE)
    (tmp_path / "rule.cql").write_text(TOOLS)
    # Twelve minutes with a start in each, and twelve more in one of them; in the quiet hour two in every minute.
    busy = [*(step(60 * m) for m in range(12)), *(step(363 + m) for m in range(12)), step(364, "whoami")]
    quiet = [step(60 * m + s) for m in range(12) for s in (0, 5)]
    for title, steps, outcome in (("malicious", busy, "true positive"), ("benign", quiet, "true negative")):
        text = SCENARIO.format(title=title, steps=", ".join(steps), outcome=outcome)
        (tmp_path / f"{title}.yaml").write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", EDITS)
def test_a_mutant_fares_as_the_text_that_is_edited_by_hand(folder, name):
    text = (folder / name).read_text()
    with Bench(RunOptions()) as bench:
        found = mutate(build_expecting_trials(bench, folder / name, []), search=0.0)
    assert not found.failing
    for what, (old, new) in EDITS[name]:
        (judged,) = [m for m in found.mutants if m.mutant.what.startswith(what)]
        assert text.count(old) == 1, old
        (folder / name).write_text(text.replace(old, new))
        with Bench(RunOptions()) as bench:
            trials = build_expecting_trials(bench, folder / name, [])
            noticed = any(is_noticed(t, t.trial.alerts(t.trial.plan())) for t in trials)
        # A double of a killed mutant is noticed as well; nothing else that leaves the score is.
        assert noticed is bool(judged.by), (what, judged.fate)
    fates = {m.mutant.what: str(m.fate) for m in found.mutants}
    if name == "rule.cql":
        assert fates[EDITS[name][2][0]] == "equivalent"
    else:
        assert (fates["0 becomes -1"], fates[EDITS[name][12][0]]) == ("equivalent", "cosmetic")

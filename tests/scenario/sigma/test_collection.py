"""Sigma files of several documents, read without any converter."""

import pytest

from harness.diagnostics import SourceError
from harness.scenario.sigma.choice import DEFAULT_CHOICE, SigmaChoice
from harness.scenario.sigma.collection import read_sigma_subjects
from harness.scenario.sigma.rule import SigmaCorrelation

RULE = """title: {name}
id: {id}
name: {name}
logsource: {{product: windows, category: process_creation}}
detection:
  sel: {{Image|endswith: '\\{name}.exe'}}
  condition: sel
"""
WHOAMI = RULE.format(name="whoami", id="11111111-1111-4111-8111-111111111111")
NET = RULE.format(name="net", id="11111111-1111-4111-8111-111111111112")
MANY = """title: Many
id: 21111111-1111-4111-8111-111111111111
name: many
correlation: {type: event_count, rules: [whoami], group-by: [Computer], timespan: 10m, condition: {gte: 3}}
"""
FILTER = """title: Not the service
id: 61111111-1111-4111-8111-111111111111
logsource: {product: windows}
filter:
  rules: [whoami]
  selection: {User|startswith: 'LAB\\svc_'}
  condition: not selection
"""


def read(folder, text, choice=DEFAULT_CHOICE, name="rule.yml"):
    (folder / name).write_text(text)
    return read_sigma_subjects(folder / name, choice)


def test_each_document_is_a_rule_but_those_that_a_correlation_uses_up(tmp_path):
    assert [s.title for s in read(tmp_path, f"{WHOAMI}---\n{NET}")] == ["whoami", "net"]
    assert [s.title for s in read(tmp_path, f"{WHOAMI}---\n{NET}---\n{MANY}")] == ["net", "Many"]
    generated = MANY.replace("correlation:", "generate: true\ncorrelation:")
    assert [s.title for s in read(tmp_path, f"{WHOAMI}---\n{generated}")] == ["whoami", "Many"]


def test_a_correlation_finds_its_rules_in_other_files_of_the_folder(tmp_path):
    (tmp_path / "base").mkdir()
    (tmp_path / "base/whoami.yml").write_text(WHOAMI)
    (subject,) = read(tmp_path, MANY)
    assert isinstance(subject.rule, SigmaCorrelation)
    assert subject.members["whoami"].title == "whoami"


def test_a_correlation_over_a_correlation_has_the_rules_of_both(tmp_path):
    over = MANY.replace("21111111", "31111111").replace("Many", "Over").replace("name: many", "name: over")
    (subject,) = read(tmp_path, f"{WHOAMI}---\n{MANY}---\n{over.replace('[whoami]', '[many]')}")
    assert (subject.title, [r.title for r in subject.rules]) == ("Over", ["whoami"])


def test_each_condition_of_a_list_is_a_rule_of_its_own(tmp_path):
    text = WHOAMI.replace("  condition: sel", "  b: {Image: x}\n  condition: [sel, b]")
    assert [s.title for s in read(tmp_path, text)] == ["whoami - condition 1", "whoami - condition 2"]


def test_what_action_global_says_holds_for_all_documents_and_is_told_as_old(tmp_path):
    shared = "action: global\ntitle: Old\ndetection:\n  condition: sel\n"
    parts = [f"logsource: {{product: windows}}\ndetection:\n  sel: {{Image: {word}}}\n" for word in "ab"]
    found = read(tmp_path, "---\n".join([shared, *parts]))
    assert [s.title for s in found] == ["Old", "Old"]
    assert {f.code for s in found for f in s.findings} == {"sigma-old-action"}


@pytest.mark.parametrize("beside", [False, True])
def test_a_filter_comes_from_the_file_or_from_another(tmp_path, beside):
    (tmp_path / "filter.yml").write_text(FILTER)
    choice = SigmaChoice(filters=(tmp_path / "filter.yml",)) if beside else DEFAULT_CHOICE
    (subject,) = read(tmp_path, WHOAMI if beside else f"{WHOAMI}---\n{FILTER}", choice)
    assert subject.rule.filters == ("Not the service",)


def test_a_filter_of_other_rules_or_products_concerns_nothing(tmp_path):
    for other in (FILTER.replace("[whoami]", "[net]"), FILTER.replace("windows", "linux")):
        (subject,) = read(tmp_path, f"{WHOAMI}---\n{other}")
        assert subject.rule.filters == ()


def test_placeholders_have_the_values_of_a_file(tmp_path):
    (tmp_path / "values.yml").write_text("admins: [root, 'adm*']\n")
    text = WHOAMI.replace("Image|endswith: '\\whoami.exe'", "User|expand: 'LAB-%admins%'")
    (subject,) = read(tmp_path, text, SigmaChoice(placeholders=tmp_path / "values.yml"))
    assert subject.vars == {"admins": ("root", "adm*")}
    (item,) = subject.rule.detection.selections["sel"].members
    assert [m.parts for m in item.values.matchers] == [("LAB-root",), ("LAB-adm", "*")]


WRONG = {
    "condition: sel": ("condition: seel", r"there is no selection `seel`\n --> .*:7:14\n(?s:.*)did you mean `sel`"),
    "condition: sel ": ("condition: sel and", r"the name of a selection is expected here\n --> .*:7:"),
    "condition: sel  ": ("condition: 1 of other*", r"no selection fits `other\*`\n --> .*:7:19"),
    "condition: sel   ": ("condition: (sel", r"a parenthesis is not closed"),
    "condition: sel    ": ("condition: sel | count() > 5", r"aggregations behind `\|`\D*\n --> .*:7:18"),
    "Image|endswith": (
        "Image|endwith",
        r"Sigma has no modifier `endwith`\n --> .*:6:9\n(?s:.*)did you mean `endswith`",
    ),
    "Image|endswith: '\\whoami.exe'": ("Image|re: '(a'", r"this is no regular expression: .*\n --> .*:6:9"),
    "Image|endswith: '\\whoami.exe' ": ("Ip|cidr: 10.0.0.0/40", r"`10\.0\.0\.0/40` is no network"),
    "Image|endswith: '\\whoami.exe'  ": ("Port|gt: many", r"`gt` takes a number, not `many`"),
    "Image|endswith: '\\whoami.exe'   ": ("Image|exists: maybe", r"`exists` takes true or false, not `maybe`"),
    "Image|endswith: '\\whoami.exe'    ": ("Image|base64: 'a*'", r"cannot be encoded by `base64`"),
    "  condition: sel\n": ("", r"`condition` is missing\n --> .*:6:3"),
    "title: whoami\n": ("", r"`title` is missing\n --> .*:1:1"),
    "{product: windows, category: process_creation}": ("{}", r"`logsource` says at least one of"),
}


@pytest.mark.parametrize("written", WRONG)
def test_an_error_has_its_line(tmp_path, written):
    instead, message = WRONG[written]
    with pytest.raises(SourceError, match=message):
        read(tmp_path, WHOAMI.replace(written.rstrip(" "), instead))


@pytest.mark.parametrize(
    ("written", "instead", "message"),
    [
        ("event_count", "event_counts", r"no correlation is of type `event_counts`\n --> .*:4:21"),
        ("gte: 3", "gtee: 3", r"`gtee` compares nothing\n --> .*:4:"),
        ("gte: 3", "gte: three", r"`gte` takes a number"),
        ("10m", "10 minutes", r"`10 minutes` is no timespan"),
        ("[whoami]", "[nobody]", r"no rule has the id or name `nobody`\n --> .*:4:42"),
        ("[whoami]", "[many]", r"the correlation `many` refers to itself"),
        ("event_count", "value_count", r"`field` is missing for value_count"),
    ],
)
def test_an_error_of_a_correlation_has_its_line(tmp_path, written, instead, message):
    with pytest.raises(SourceError, match=message):
        read(tmp_path, MANY.replace(written, instead))


def test_a_document_between_rules_that_is_none_is_an_error_at_its_place(tmp_path):
    with pytest.raises(SourceError, match=r"no Sigma rule: it lacks `logsource` and `detection`\n --> .*:9:1"):
        read(tmp_path, f"{WHOAMI}---\ntitel: x\n")

"""From rows to alerts."""

import numpy as np

from harness.detection.engine import ResultRows
from harness.scenario.scenario import Label, Outcome
from harness.telemetry.events.event import Cause
from harness.verdict.alerts import GroundTruth, alerts_of, describe_field_differences
from harness.verdict.verdict import outcome

TRUTH = GroundTruth(
    causes=(Cause(name="beacon", malicious=True), Cause(name="browsing", malicious=False)),
    by_event=np.array([0, 0, 1, -1, 1], np.int32),
)


def alerts(*provenance):
    return alerts_of(ResultRows(("host", "@event"), tuple(("WS01", p) for p in provenance)), TRUTH)


def test_an_alert_names_the_events_behind_it_and_who_caused_them():
    (alert,) = alerts([1, 2, 4])
    assert alert.fields == {"host": "WS01"}
    assert alert.events == (1, 2, 4)
    assert [c.name for c in alert.causes] == ["beacon", "browsing"]


def test_an_unlabelled_event_has_no_cause():
    assert alerts([3])[0].causes == ()


def test_an_alert_on_benign_events_only_does_not_make_an_attack_seen():
    assert outcome(Label.MALICIOUS, alerts([2])) is Outcome.FALSE_NEGATIVE
    assert outcome(Label.MALICIOUS, alerts([2], [0, 2])) is Outcome.TRUE_POSITIVE


def test_any_alert_on_benign_activity_is_a_false_positive():
    assert outcome(Label.BENIGN, alerts(2.0)) is Outcome.FALSE_POSITIVE
    assert outcome(Label.BENIGN, alerts()) is Outcome.TRUE_NEGATIVE


def test_fields_are_compared_by_value():
    (alert,) = alerts_of(ResultRows(("n", "ports", "@event"), ((180.0, ["443", "80"], [0]),)), TRUTH)
    assert list(describe_field_differences(alert, {"n": 180, "ports": [80, 443]})) == []
    assert list(describe_field_differences(alert, {"n": 181})) == ["n is 180.0, not 181"]


def test_a_row_that_the_query_makes_itself_has_no_event_behind_it():
    made = alerts_of(ResultRows(("host",), (("WS01",),)), TRUTH)
    assert made[0].fields == {"host": "WS01"}
    assert outcome(Label.MALICIOUS, made) is Outcome.FALSE_NEGATIVE

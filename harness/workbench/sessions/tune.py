"""The numbers of a rule, as `detlab tune` studies them; the study stays, so that any other setting can be asked for."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

from harness.detection.language import Strictness
from harness.diagnostics import HarnessError
from harness.report.studies.tune_document import encode_tuning, point_object
from harness.run import Bench
from harness.run_options import RunOptions
from harness.study_trials import build_population
from harness.supervisor import unit_of_work
from harness.verdict.study.ensemble import Ensemble
from harness.verdict.tune.choice import GridSetting
from harness.verdict.tune.reruns import Reruns, Tried
from harness.verdict.tune.result import Tuning, Wishes
from harness.verdict.tune.tune import Study, answer, begin_study, prepare_reruns
from harness.workbench.session_request import SessionRequest, SessionVoice


@dataclass(slots=True, kw_only=True)
class LiveStudy:
    """A study whose events stay loaded, and the texts that were run for it."""

    study: Study
    found: Tuning
    runs: Reruns
    seconds: float
    known: dict[tuple[float, ...], Tried] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.known = {t.numbers: t for t in self.found.tried}

    def describe(self, values: tuple[float, ...]) -> dict[str, Any]:
        """The rule at any setting, counted from its groups; a text that has not been run is run.

        Raises HarnessError where the edited text cannot be run.
        """
        if len(values) != len(self.found.varied):
            raise HarnessError("usage", f"the rule has {len(self.found.varied)} numbers, not {len(values)}")
        axes = self.found.surface.grid.axes
        literals, numbers = values[: len(axes)], values[len(axes) :]
        began = perf_counter()
        ran = numbers not in self.known
        tried = self.find_tried(numbers)
        point = self.study.point(GridSetting(tried=tried, literals=literals))
        return {
            "point": point_object(point, self.found.varied),
            "on_grid": all(v in axis for v, axis in zip(literals, axes, strict=True)),
            "ran": ran,
            "seconds": round(perf_counter() - began, 3),
            "edits": self.list_edits(values),
        }

    def find_tried(self, numbers: tuple[float, ...]) -> Tried:
        """The rule with these numbers in its text, which is run where it has not been."""
        if numbers not in self.known:
            with unit_of_work(self.seconds):
                made = self.runs.run(numbers)
            if made is None:
                message = "the text with these numbers means nothing, or has other thresholds than the rule"
                raise HarnessError("no-such-setting", message, help="choose other values")
            self.known[numbers] = made
        return self.known[numbers]

    def list_edits(self, values: tuple[float, ...]) -> list[dict[str, Any]]:
        """What a setting changes in the rule's own text."""
        own = self.study.rule
        changed = [(k, v) for k, v in zip(self.found.varied, values, strict=True) if v != k.published]
        edits = [knob.edit(value) for knob, value in changed]
        return [
            {"start": e.span.start, "end": e.span.end, "text": e.replacement}
            for e in edits
            if e.span.source.text == own.text
        ]


def run_session(request: SessionRequest, chosen: RunOptions, orders: Connection, tell: SessionVoice) -> None:
    """Tells the study, and then each point that is asked for, until the session is ended."""
    options = replace(chosen, texts={request.rule: request.text})
    # As the command has them, so that both say the same.
    wishes = Wishes(
        seed=chosen.seed or 0,
        strictness=Strictness(chosen.dialect or "lenient"),
        exclusions=False,
        opinions=False,
    )
    began = perf_counter()
    with Bench(options) as bench, Ensemble(build_population(bench, request.rule, ())) as ensemble:
        study = begin_study(ensemble, wishes)
        found = answer(study, began)
        runs = prepare_reruns(study, found.surface.grid)
        live = LiveStudy(study=study, found=found, runs=runs, seconds=chosen.limits.seconds)
        tell({"study": encode_tuning(found)})
        follow_questions(live, orders, tell)


def follow_questions(live: LiveStudy, orders: Connection, tell: SessionVoice) -> None:
    """Answers for one point after the other."""
    while True:
        number, values = orders.recv()
        try:
            said = live.describe(tuple(map(float, values)))
        except HarnessError as error:
            said = {"error": error.as_json()}
        tell({"number": number, **said})

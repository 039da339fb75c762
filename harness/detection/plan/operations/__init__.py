# ruff: noqa: F403 -- every operation is an attribute of this package
"""Operations of the plan: each primitive has one meaning here; an engine only says how to spell it.

Unless its line says otherwise an operation of a null is null, text is compared by its bytes, places count from 1 and
patterns are literals. A language's oddities are spelled by its front end as combinations of these.
"""

from harness.detection.plan.operation import PLAN_OPERATIONS as PLAN_OPERATIONS
from harness.detection.plan.operations.aggregates import *
from harness.detection.plan.operations.documents import *
from harness.detection.plan.operations.lists import *
from harness.detection.plan.operations.logic import *
from harness.detection.plan.operations.numbers import *
from harness.detection.plan.operations.text import *
from harness.detection.plan.operations.times import *

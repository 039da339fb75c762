"""All targets by name; one that needs an extra is only there with it."""

from __future__ import annotations

from fuzz.cell_targets import CELL_TARGETS
from fuzz.file_targets import FILE_TARGETS
from fuzz.promise import Target
from fuzz.psrp_target import PSRP_TARGETS
from fuzz.run_targets import RUN_TARGETS
from fuzz.sigma_target import SIGMA_TARGETS
from fuzz.text_targets import TEXT_TARGETS
from fuzz.wire_targets import WIRE_TARGETS

TARGETS: dict[str, Target] = {
    **TEXT_TARGETS,
    **FILE_TARGETS,
    **WIRE_TARGETS,
    **PSRP_TARGETS,
    **RUN_TARGETS,
    **CELL_TARGETS,
    **SIGMA_TARGETS,
}

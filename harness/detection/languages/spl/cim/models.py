"""All data models: their datasets and the parts of these.

Reference: reference/spl.md 9.2
"""

from __future__ import annotations

from harness.detection.languages.spl.cim import alert_models, endpoint_models, network_models
from harness.detection.languages.spl.cim.dataset import Dataset

DATASETS: tuple[Dataset, ...] = (*endpoint_models.ROOTS, *network_models.ROOTS, *alert_models.ROOTS)
CHILDREN: tuple[Dataset, ...] = (*endpoint_models.PARTS, *network_models.PARTS, *alert_models.PARTS)

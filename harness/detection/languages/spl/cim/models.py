"""All data models: their datasets and the parts of these.

Reference: reference/spl.md 9.2
"""

from __future__ import annotations

from harness.detection.languages.spl.cim import alert_models, endpoint_models, network_models
from harness.detection.languages.spl.cim.dataset import CimDataset

CIM_DATASETS: tuple[CimDataset, ...] = (
    *endpoint_models.ENDPOINT_ROOTS,
    *network_models.NETWORK_ROOTS,
    *alert_models.ALERT_ROOTS,
)
CHILDREN: tuple[CimDataset, ...] = (
    *endpoint_models.ENDPOINT_PARTS,
    *network_models.NETWORK_PARTS,
    *alert_models.ALERT_PARTS,
)

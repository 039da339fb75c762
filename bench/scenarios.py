"""A pack of so many generated scenarios: beacons of other servers, intervals and lengths, each judged by one rule."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.measure import PACK, remove
from bench.process import ROOT

SCENARIO = """title: Beacon number {number}
technique: T1583.004
activity: malicious
conditions: {{addon: legacy, falcon: enriched}}

simulate:
  - behaviour: beacon
    host: WS{host:02}
    given: {{server: 203.0.113.{server}, port: 443, every: {every}s, jitter: 0, times: {times}}}

expect:
  - rule: server.spl
    outcome: true positive
"""


def write_pack(folder: Path, number: int) -> Path:
    """Writes a pack with rules and generators of its own and gives its folder."""
    pack = folder / f"pack-{number}"
    remove(pack)
    inside = pack / "scenarios" / "T1583.004"
    inside.mkdir(parents=True)
    shutil.copytree(ROOT / "generators", pack / "generators", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("server.spl", "server.spl.yaml"):
        shutil.copy(PACK / "T1583.004" / name, inside / name)
    for each in range(number):
        text = SCENARIO.format(
            number=each, host=1 + each % 20, server=10 + each % 200, every=45 + each % 15, times=180 + each % 30
        )
        (inside / f"beacon-{each:04}.yaml").write_text(text, "utf-8")
    return pack

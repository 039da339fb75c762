"""`python -m bench.competitors.evtx_library FILE`: the records of an EVTX file as the bare library gives them."""

from __future__ import annotations

import sys

from evtx import PyEvtxParser

if __name__ == "__main__":
    print(sum(1 for _ in PyEvtxParser(sys.argv[1]).records_json()))

"""The internet of a simulation: names with long tails, CNAME chains and several addresses, none of them anybody's."""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np

from harness.telemetry.simulation.coded_column import DnsAnswer, RowCodes, TextColumn
from harness.telemetry.simulation.identity import hash_to_number
from harness.telemetry.simulation.text_template import WORDS

# Chains of 450 recorded answers: none in 292, then 64, 70, 16 and 8; addresses: one in 352, two in 66, eight in 9, four
# in 7, nine in 5, none in 7 (samples/sysmon_1_3_22.ndjson.gz).
CHAIN_LENGTHS = (292, 64, 70, 16, 8)
ADDRESS_COUNTS = {1: 355, 2: 66, 4: 8, 8: 9, 9: 5, 3: 2}
WITH_IPV6 = 12
"""Names of a hundred that have an address of IPv6 as well; chosen."""
SITES = 6000
"""Names that anybody visits: the head is everybody's, the tail is seen once. Chosen after RITA's 337 in one day."""
PREFIXES = ("www", "cdn", "api", "img", "static", "assets", "login", "m", "fonts", "stats", "ads", "media")
CARRIERS = ("edge-net", "fastcdn", "akam", "cf-front", "front", "trafficmgr", "az-front", "anycast")


@cache
def site_names() -> tuple[str, ...]:
    """The names, the most popular first."""
    return tuple(
        f"{PREFIXES[hash_to_number('prefix', i) % (1 if i % 3 else len(PREFIXES))]}."
        f"{WORDS[hash_to_number('first', i) % len(WORDS)]}"
        f"{'-' if i % 5 == 0 else ''}{WORDS[hash_to_number('second', i) % len(WORDS)]}{i if i > 900 else ''}"
        f".{('example', 'example', 'test', 'example.net', 'example.org')[i % 5]}"
        for i in range(SITES)
    )


@lru_cache(maxsize=100_000)
def resolve_domain_name(name: str) -> DnsAnswer:
    """What a name resolves to: always the same chain and addresses."""
    pick = hash_to_number("answer", name)
    chain = draw_by_count(CHAIN_LENGTHS, pick)
    carrier = CARRIERS[pick // 1000 % len(CARRIERS)]
    stem = name.removeprefix("www.").replace(".", "-")
    links = (f"{stem}.{carrier}.example", f"e{pick % 9000}.dsc{'abxw'[pick % 4]}.{carrier}.example")
    more = tuple(f"{pick % 97}-{n}.geo.{carrier}.example" for n in range(max(0, chain - 2)))
    count = list(ADDRESS_COUNTS)[draw_by_count(tuple(ADDRESS_COUNTS.values()), pick >> 20)]
    # Behind a carrier names share its addresses; others have their own. 198.18.0.0/15 is reserved for tests of networks
    # (RFC 2544): 131,072 addresses, where the networks for documents have 762.
    home = hash_to_number("network", carrier, pick % 12) if chain else hash_to_number("network", name)
    first = home >> 8
    addresses = tuple(
        f"198.{18 + (first >> 16 & 1)}.{first >> 8 & 255}.{1 + (first + pick // 7 * chain + 3 * n) % 254}"
        for n in range(count)
    )
    if pick % 100 < WITH_IPV6:
        # 3fff::/20 is for documents (RFC 9637).
        addresses = (f"3fff:{pick % 4096:x}:{pick >> 12 & 0xFFF:x}::{1 + pick % 250:x}", *addresses)
    return DnsAnswer(addresses=addresses, canonical_names=(*links[:chain], *more))


def draw_by_count(counts: tuple[int, ...], pick: int) -> int:
    """The place at which a number falls among counts laid end to end."""
    left = pick % sum(counts)
    for place, count in enumerate(counts):
        if left < count:
            return place
        left -= count
    return 0


def popular_sites(ranks: RowCodes) -> TextColumn:
    """The names at these ranks, as a column of the few that are there."""
    few, codes = np.unique(ranks, return_inverse=True)
    known = site_names()
    return TextColumn(values=[known[i] for i in few.tolist()], codes=codes.astype(np.int64))

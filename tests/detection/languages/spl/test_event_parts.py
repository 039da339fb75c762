"""Fields that are cut out of an event's own text."""

import pytest

from harness.detection.language import language
from harness.diagnostics import Source


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('index=* EventData_Xml="*svchost*"', True),
        ('index=* | where like(System_Props_Xml, "%SYSTEM%")', True),
        ("index=* EventData=1", False),
    ],
)
def test_a_search_for_a_block_of_xml_needs_the_text_of_events(text, read):
    assert language("spl").parse(Source("rule.spl", text)).raw is read

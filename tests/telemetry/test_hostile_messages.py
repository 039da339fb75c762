"""Texts of events made to be tried again and again cost what their length costs."""

from time import process_time

import pytest

from harness.telemetry.events.classic_event import CLASSIC_TEXT, find_message
from harness.telemetry.events.classic_text import CLASSIC_START
from harness.telemetry.events.content_looks import TEXT_LOOKS
from harness.telemetry.events.rendered_message import read_message
from harness.telemetry.events.windows_event import ATTRIBUTE

READERS = {
    "headings without an event code": lambda n: CLASSIC_START.search("LogName=x\n" * n),
    "rendering without a message": lambda n: find_message("<Event>" + "<RenderingInfo " * n),
    "headings of a classic text": lambda n: CLASSIC_TEXT.match("x\n" + "a=b\n" * n),
    "a tag of one long name": lambda n: ATTRIBUTE.findall("a" * n),
    "a document of rules only": lambda n: [look.match(b"---\n" * n) for look, _ in TEXT_LOOKS],
    "a document of titles": lambda n: [look.match(b"title: x\n" * n) for look, _ in TEXT_LOOKS],
    "a datum of many lines": lambda n: read_message("Microsoft-Windows-Sysmon", "1", "Image: x\n" + "a\n" * n),
}


@pytest.mark.parametrize("what", READERS)
def test_the_cost_of_a_text_grows_with_its_length(what):
    def cost(size):
        began = process_time()
        READERS[what](size)
        return process_time() - began

    # Sixteen times as long, so 256 times the cost by its square; a hundredth of a second for what a clock misses.
    assert cost(160_000) < 60 * (cost(10_000) + 0.01)


def test_the_words_of_a_rendered_message_are_found():
    said = "<Event><RenderingInfo Culture='en-US'><Message>a &amp; b</Message></RenderingInfo></Event>"
    assert find_message(said) == "a & b"
    assert find_message("<Event><UserData><Message>x</Message></UserData></Event>") is None

"""XPath over the XML in a field: the steps, conditions and functions that searches use."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from importlib import import_module
from typing import Any

from harness.detection.plan import operations as ops
from harness.detection.plan.documents import strip_tag_namespace, tree_of
from harness.detection.plan.operation import Operation

LAST = re.compile(r"(?P<path>.*?)/(?:@(?P<attribute>[\w:.-]+|\*)|(?P<text>text\(\)))", re.S)
XPATH_STEP = r"(?:[\w:.*-]+|\.\.?)(?:\[[^\[\]]*\])*"
XPATH_PATH = re.compile(rf"/{{0,2}}{XPATH_STEP}(?://?{XPATH_STEP})*(?://?(?:@(?:[\w:.-]+|\*)|text\(\)))?")
XPATH_VALUE = r"\s*!?=\s*(?:'[^']*'|\"[^\"]*\")"
CONDITION = re.compile(rf"\[(?:@[\w:.-]+(?:{XPATH_VALUE})?|[\w:.-]+{XPATH_VALUE}|\d+|last\(\))\]")


def is_supported_xpath(path: str) -> bool:
    """Whether a path has only what can be followed: steps, conditions on attributes, texts and places."""
    return XPATH_PATH.fullmatch(path) is not None and "[" not in CONDITION.sub("", path)


def xpath_text(text: str, path: str) -> list[str] | None:
    """Texts of all elements that a path reaches, or of an attribute; None where there are none, or no XML."""
    root = tree_of(text)
    if root is None:
        return None
    last = LAST.fullmatch(path)
    steps = last["path"] if last else path
    found = find_elements(strip_namespaces(root), steps.rstrip("/"))
    if last and last["attribute"]:
        chosen = last["attribute"]
        made = [v for e in found for k, v in e.attrib.items() if chosen in ("*", k)]
    elif last:
        made = [(e.text or "").strip() for e in found]
    else:
        made = ["".join(e.itertext()).strip() for e in found]
    return [m for m in made if m] or None


def find_elements(root: Any, steps: str) -> list[Any]:
    """The elements that the steps reach, from a parent of the root on."""
    # ElementTree's paths begin below an element, XPath's at the document, whose only child is the root.
    above = import_module("xml.etree.ElementTree").Element("above")
    above.append(root)
    try:
        return list(above.findall(written_steps(steps)))
    # What ElementTree raises for a path beyond its subset.
    except SyntaxError:
        return []


@lru_cache(256)
def written_steps(steps: str) -> str:
    """The steps as the library reads them: relative, without prefixes of names."""
    # Prefixes stand for namespaces that a field's XML need not declare; names are compared without both.
    bare = re.sub(r"(?<=[/\[@])[\w.-]+:(?=[\w.-])", "", steps)
    if bare.startswith("//"):
        return "." + bare
    return "." + bare if bare.startswith("/") else ".//" + bare


def strip_namespaces(root: Any) -> Any:
    """The tree with the names of its elements and attributes without their namespaces."""
    for element in root.iter():
        element.tag = strip_tag_namespace(element.tag)
        element.attrib.update({strip_tag_namespace(k): v for k, v in element.attrib.items() if k[0] == "{"})
    return root


XPATH_COMPUTATIONS: dict[Operation, Callable[..., Any]] = {ops.xpath_text: xpath_text}

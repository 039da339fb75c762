"""A Sigma file as its rules: documents put together, references found in the folder, filters applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any

import yaml

from harness.diagnostics import Finding, HarnessError, Severity, Source, SourceError, Span
from harness.record import record
from harness.scenario.document import Document, YamlNode, load, load_all
from harness.scenario.pack import find_files
from harness.scenario.sigma.choice import (
    DEFAULT_CHOICE,
    PLACEHOLDERS_BESIDE,
    SIGMA_SUFFIXES,
    SigmaChoice,
    list_filter_files,
    read_file_state,
    read_unchanged_bytes,
)
from harness.scenario.sigma.detection import Detection, DetectionGroup, DetectionNode
from harness.scenario.sigma.rule import (
    SigmaCorrelation,
    SigmaDocument,
    SigmaFilter,
    SigmaRule,
    is_sigma,
    list_referenced,
    read_sigma_document,
)


@record(kw_only=True)
class SigmaSubject:
    """A rule or a correlation of a file that stands for itself, with all that it refers to.

    `members` are the rules and correlations below, by the names and ids that refer to them. `written` is what pySigma
    is to convert, as PyYAML reads it: filters and members first. `condition` is the number of the rule's condition.
    """

    rule: SigmaRule | SigmaCorrelation
    members: Mapping[str, SigmaRule | SigmaCorrelation] = field(default_factory=dict)
    written: tuple[Mapping[str, Any], ...]
    condition: int = 0
    findings: tuple[Finding, ...] = ()
    vars: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """The rule's title, with the number of its condition where it has several."""
        several = isinstance(self.rule, SigmaRule) and len(self.rule.detection.conditions) > 1
        return f"{self.rule.title} - condition {self.condition + 1}" if several else self.rule.title

    @property
    def origin(self) -> Span:
        """The key of what a query is made of: the rule's detection, or the correlation."""
        key = "detection" if isinstance(self.rule, SigmaRule) else "correlation"
        return self.rule.document.key([key])

    @property
    def rules(self) -> tuple[SigmaRule, ...]:
        """Every single rule of it."""
        if isinstance(self.rule, SigmaRule):
            return (self.rule,)
        return tuple({id(m): m for m in self.members.values() if isinstance(m, SigmaRule)}.values())


@record(kw_only=True)
class WrittenDocument:
    """A document and the plain data that PyYAML, and so pySigma, makes of it."""

    document: Document
    content: Any


def read_sigma_subjects(path: Path, choice: SigmaChoice = DEFAULT_CHOICE) -> list[SigmaSubject]:
    """What a Sigma file holds to be run. Raises SourceError at the place that is wrong, HarnessError for a file."""
    values = read_placeholders(path, choice)
    texts, findings = read_documents(path)
    read = [(read_sigma_document(t.document, values.get), t.content) for t in texts]
    filters = [(d, c) for d, c in read if isinstance(d, SigmaFilter)]
    for each in list_filter_files(choice):
        filters += [(d, c) for d, c in read_folder_part(each, values) if isinstance(d, SigmaFilter)]
    used = list_referenced([d for d, _ in read])
    rules = [(d, c) for d, c in read if not isinstance(d, SigmaFilter)]
    own = [(d, c) for d, c in rules if not {d.id, d.name} & used - {""}]
    found: list[SigmaSubject] = []
    # Where every rule is used up correlations go in a circle, which is told where they are put together.
    for document, content in own or rules:
        found += build_subjects(path, (document, content), rules, filters, values)
    return [replace(each, findings=findings) for each in found]


Written = tuple[SigmaDocument, Any]


def build_subjects(
    path: Path,
    own: tuple[SigmaRule | SigmaCorrelation, Any],
    rules: Sequence[tuple[SigmaRule | SigmaCorrelation, Any]],
    filters: Sequence[tuple[SigmaFilter, Any]],
    values: Mapping[str, tuple[str, ...]],
) -> Iterator[SigmaSubject]:
    """One subject for each condition of a rule, one for a correlation."""
    rule, content = own
    if isinstance(rule, SigmaRule):
        extra = [c for f, c in filters if f.concerns(rule)]
        filtered = filter_rule(rule, [f for f, _ in filters])
        for number in range(len(rule.detection.conditions)):
            yield SigmaSubject(rule=filtered, written=(*extra, content), condition=number, vars=values)
        return
    below = list(resolve_members(path, rule, rules, values))
    members: dict[str, SigmaRule | SigmaCorrelation] = {}
    extra = []
    for member, _ in below:
        if isinstance(member, SigmaRule):
            extra += [c for f, c in filters if f.concerns(member) and c not in extra]
            member = filter_rule(member, [f for f, _ in filters])
        members |= {key: member for key in (member.id, member.name) if key}
    yield SigmaSubject(rule=rule, members=members, written=(*extra, *(c for _, c in below), content), vars=values)


def resolve_members(
    path: Path,
    correlation: SigmaCorrelation,
    rules: Sequence[tuple[SigmaRule | SigmaCorrelation, Any]],
    values: Mapping[str, tuple[str, ...]],
    above: tuple[str, ...] = (),
) -> Iterator[tuple[SigmaRule | SigmaCorrelation, Any]]:
    """The rules and correlations that a correlation refers to, those of the file first, then those of its folder."""
    named = correlation.document.node(["correlation", "rules"])
    for number, name in enumerate(correlation.rules):
        span = named.items[number].span if named.items else named.span
        if name in above or name in (correlation.id, correlation.name):
            raise SourceError("sigma-reference", f"the correlation `{name}` refers to itself", span)
        found = next((r for r in rules if name in (r[0].id, r[0].name)), None) or find_in_folder(path, name, values)
        if found is None:
            hint = "put its file into this folder or below, or the rule into this file"
            raise SourceError("sigma-reference", f"no rule has the id or name `{name}`", span, help=hint)
        if isinstance(found[0], SigmaCorrelation):
            yield from resolve_members(path, found[0], rules, values, (*above, correlation.name, correlation.id))
        yield found


def find_in_folder(
    path: Path, name: str, values: Mapping[str, tuple[str, ...]]
) -> tuple[SigmaRule | SigmaCorrelation, Any] | None:
    """The rule of an id or a name in another file of the folder or below."""
    for other in find_files(path.parent, *SIGMA_SUFFIXES):
        # Text is searched before YAML is parsed: a repository has thousands of files.
        if other != path and name.encode() in read_unchanged_bytes(other, read_file_state(other)):
            for document, content in read_folder_part(other, values):
                if not isinstance(document, SigmaFilter) and name in (document.id, document.name):
                    return document, content
    return None


def read_folder_part(path: Path, values: Mapping[str, tuple[str, ...]]) -> Iterator[Written]:
    """Every document of another Sigma file."""
    for text in read_documents(path)[0]:
        yield read_sigma_document(text.document, values.get), text.content


def read_documents(path: Path) -> tuple[list[WrittenDocument], tuple[Finding, ...]]:
    """The documents of a file, those of `action: global` put into the others, and what is to be said of them."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise HarnessError("not-utf8", f"{path} is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise HarnessError("unreadable", f"{path}: {(error.strerror or str(error)).lower()}") from error
    documents = load_all(Source(str(path), text))
    contents = read_as_pysigma(text, documents)
    return merge_actions(
        [
            WrittenDocument(document=d, content=c)
            for d, c in zip(documents, contents, strict=True)
            if isinstance(d.value, dict)
        ]
    )


def read_as_pysigma(text: str, documents: Sequence[Document]) -> list[Any]:
    """The plain data of each document by PyYAML: there `no` is false, and dates are dates."""
    try:
        return list(yaml.load_all(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    # A date that no calendar has.
    except (yaml.YAMLError, ValueError):
        return [d.value for d in documents]


def merge_actions(written: Sequence[WrittenDocument]) -> tuple[list[WrittenDocument], tuple[Finding, ...]]:
    """The documents that stand for themselves, with what `action: global` or `repeat` gives to them."""
    found: list[WrittenDocument] = []
    findings: list[Finding] = []
    shared: WrittenDocument | None = None
    before: WrittenDocument | None = None
    for each in written:
        action = each.document.value.get("action")
        if action is None:
            if not is_sigma(each.document.value) and not shared:
                raise build_stranger_error(each.document)
            whole = each if shared is None or "correlation" in each.content else merge_written(each, shared)
            found.append(whole)
            before = whole
            continue
        findings.append(build_action_finding(each.document, str(action)))
        if action == "global":
            shared = without_action(each)
        elif action == "reset":
            shared = None
        elif action == "repeat" and before is not None:
            before = merge_written(before, without_action(each))
            found.append(before)
        else:
            message = f"a Sigma file has no action `{action}` here"
            raise SourceError("sigma-action", message, each.document.span(["action"]), help="global, reset or repeat")
    return found, tuple(findings)


def build_stranger_error(document: Document) -> SourceError:
    """The error of a document that is none of Sigma's."""
    keys = document.root.members or {}
    place = next(iter(keys.values()))[0] if keys else document.root.span
    missing = [k for k in ("logsource", "detection") if k not in keys]
    message = f"this document is no Sigma rule: it lacks {' and '.join(f'`{k}`' for k in missing)}"
    return SourceError("sigma-rule", message, place, help="or give it `correlation:` or `filter:`")


def build_action_finding(document: Document, action: str) -> Finding:
    """What is said of collections as Sigma 1 wrote them."""
    return Finding(
        code="sigma-old-action",
        span=document.key(["action"]),
        message=f"`action: {action}` is of Sigma 1 and left the specification with version 2",
        help="write the documents out",
        severity=Severity.NOTE,
    )


def without_action(written: WrittenDocument) -> WrittenDocument:
    """A document without its key `action`."""
    members = {k: v for k, v in (written.document.root.members or {}).items() if k != "action"}
    root = YamlNode(span=written.document.root.span, members=members)
    content = {k: v for k, v in written.content.items() if k != "action"}
    return WrittenDocument(
        document=Document(source=written.document.source, root=root, value=root.value), content=content
    )


def merge_written(under: WrittenDocument, over: WrittenDocument) -> WrittenDocument:
    """A document with the keys of another put over it, mappings key by key."""
    root = merge_nodes(under.document.root, over.document.root)
    document = Document(source=under.document.source, root=root, value=root.value)
    return WrittenDocument(document=document, content=merge_contents(under.content, over.content))


def merge_nodes(under: YamlNode, over: YamlNode) -> YamlNode:
    """Two mappings as one."""
    if under.members is None or over.members is None:
        return over
    members = dict(under.members)
    for name, (place, node) in over.members.items():
        members[name] = (place, merge_nodes(members[name][1], node) if name in members else node)
    return YamlNode(span=under.span, members=members)


def merge_contents(under: Any, over: Any) -> Any:
    """The same for plain data."""
    if not isinstance(under, dict) or not isinstance(over, dict):
        return over
    return {**under, **{k: merge_contents(under[k], v) if k in under else v for k, v in over.items()}}


def filter_rule(rule: SigmaRule, filters: Iterable[SigmaFilter]) -> SigmaRule:
    """The rule with the conditions of all filters that concern it."""
    concerned = [f for f in filters if f.concerns(rule)]
    if not concerned:
        return rule
    own: list[DetectionNode] = [f.detection.conditions[0] for f in concerned]
    detection = rule.detection
    conditions = tuple(DetectionGroup((c, *own), every=True) for c in detection.conditions)
    changed = Detection(
        selections=detection.selections,
        conditions=conditions,
        spans=detection.spans,
        placeholders={
            **detection.placeholders,
            **{k: v for f in concerned for k, v in f.detection.placeholders.items()},
        },
    )
    return replace(rule, detection=changed, filters=tuple(f.title for f in concerned))


def read_placeholders(path: Path, choice: SigmaChoice) -> Mapping[str, tuple[str, ...]]:
    """The values of placeholders: of the file that was chosen, else of one beside the rule."""
    beside = path.parent / PLACEHOLDERS_BESIDE
    chosen = choice.placeholders or (beside if beside.is_file() and beside != path else None)
    return read_placeholder_file(chosen) if chosen else {}


def read_placeholder_file(path: Path) -> Mapping[str, tuple[str, ...]]:
    """A mapping of names to a value or a list of values; pySigma's `vars:` around it may be there."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise HarnessError("unreadable", f"{path}: {(error.strerror or str(error)).lower()}") from error
    document = load(Source(str(path), text))
    content = document.value
    if isinstance(content, dict) and isinstance(content.get("vars"), dict):
        content = content["vars"]
    if not isinstance(content, dict):
        hint = "write `admins: [root, administrator]`"
        raise SourceError("sigma-placeholders", "placeholders are a mapping", document.root.span, help=hint)
    return {
        str(name).strip("%"): tuple(str(v) for v in (values if isinstance(values, list) else [values]))
        for name, values in content.items()
    }

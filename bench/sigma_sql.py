"""Published conversions of Sigma rules to SPL, converted on to SQL of SQLite as Zircolite's rule sets hold it.

    python -m bench.sigma_sql RULES.ndjson OUT.json

The Sigma texts are not at hand, only what pySigma made of them: searches of one clause, at times with regular
expressions behind it. NOT binds tighter than OR, OR tighter than AND. A rule of another form is left out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|!=|<=|>=|[()=<>,]|[^\s()=<>,!"]+')
CIDR = re.compile(r"^[\da-fA-F.:]+/\d+$")
REX = re.compile(r'^rex field=(\w+) "\(\?<(\w+)>(.*)\)"$', re.S)
FLAG = re.compile(r'^eval (\w+)=if\(isnotnull\((\w+)\), "true", "false"\)$')
REGEX = re.compile(r'^regex (\w+)="(.*)"$', re.S)
LIKE_SPECIAL = re.compile(r"[%_!]")


class OtherForm(Exception):
    """A rule that is not of the form that this reads."""


def unescaped(text: str) -> str:
    """A regular expression out of its quotes."""
    return text.replace(r"\"", '"').replace(r"\\", "\\")


def sql_text(text: str) -> str:
    """A text of SQL."""
    return "'" + text.replace("'", "''") + "'"


def compare_value(field: str, quoted: str) -> str:
    """A field against a value that may hold wildcards."""
    raw = quoted[1:-1] if quoted.startswith('"') else quoted
    parts = [part for part in re.split(r"(\\.|\*)", raw) if part]
    if parts == ["*"]:
        return f'"{field}" IS NOT NULL'
    if CIDR.match(raw):
        return f'in_network("{field}", {sql_text(raw)})'
    plain = [part[1] if part.startswith("\\") and len(part) == 2 else part for part in parts]
    if "*" not in parts:
        # The columns compare without case.
        return f'"{field}" = {sql_text("".join(plain))}'
    pattern = "".join("%" if p == "*" else LIKE_SPECIAL.sub(r"!\g<0>", q) for p, q in zip(parts, plain, strict=True))
    return f"\"{field}\" LIKE {sql_text(pattern)} ESCAPE '!'"


def joined(word: str, terms: Sequence[str]) -> str:
    """Terms with a word between them, in a tree of little depth: SQLite takes a thousand levels."""
    if len(terms) <= 2:
        return f"({f' {word} '.join(terms)})" if len(terms) > 1 else terms[0]
    middle = len(terms) // 2
    return f"({joined(word, terms[:middle])} {word} {joined(word, terms[middle:])})"


class Search:
    """A reader of one search clause."""

    def __init__(self, text: str, flags: Mapping[str, str]) -> None:
        self.tokens = TOKEN.findall(text)
        self.at = 0
        self.flags = flags

    def peek(self) -> str:
        """The next token; empty at the end."""
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        """The next token, which has to be one of those wanted where any are."""
        token = self.peek()
        if not token or (wanted and token not in wanted):
            raise OtherForm(f"`{token}` in {self.tokens[max(0, self.at - 4) : self.at + 4]}")
        self.at += 1
        return token

    def all_of(self) -> str:
        """Terms of which all have to hold."""
        terms = [self.any_of()]
        while self.peek() not in ("", ")"):
            if self.peek() == "AND":
                self.take()
            terms.append(self.any_of())
        return joined("AND", terms)

    def any_of(self) -> str:
        """Terms of which one has to hold."""
        terms = [self.term()]
        while self.peek() == "OR":
            self.take()
            terms.append(self.term())
        return joined("OR", terms)

    def term(self) -> str:
        """A term, in brackets or negated."""
        if self.peek() == "NOT":
            self.take()
            # An absent field is not what a rule excludes.
            return f"NOT coalesce({self.term()}, 0)"
        if self.peek() == "(":
            self.take()
            inner = self.all_of()
            self.take(")")
            return inner
        return self.comparison()

    def comparison(self) -> str:
        """A field and its values."""
        field = self.take()
        if field in ("OR", "AND") or field.startswith('"'):
            raise OtherForm(f"`{field}` stands for a field")
        operator = self.take("=", "!=", "IN", "<", ">", "<=", ">=")
        if operator == "IN":
            self.take("(")
            values = [self.value(field)]
            while self.take(",", ")") == ",":
                values.append(self.value(field))
            return joined("OR", values)
        if operator == "=":
            return self.value(field)
        if operator == "!=":
            return f"NOT coalesce({self.value(field)}, 0)"
        return f'CAST("{field}" AS REAL) {operator} {float(self.take().strip(chr(34)))}'

    def value(self, field: str) -> str:
        """One value of a field; one that was made of a regular expression is that expression."""
        quoted = self.take()
        if field in self.flags:
            return self.flags[field] if quoted == '"true"' else f"NOT {self.flags[field]}"
        return compare_value(field, quoted)


def convert(text: str) -> str:
    """The condition of a rule in SQL. Raises OtherForm."""
    clause, *stages = re.split(r"\n\| ", text)
    conditions = [read_clause(clause, {})]
    matches: dict[str, str] = {}
    flags: dict[str, str] = {}
    for stage in stages:
        if found := REX.match(stage):
            matches[found[2]] = f'"{found[1]}" REGEXP {sql_text(unescaped(found[3]))}'
        elif found := FLAG.match(stage):
            flags[found[1]] = f"coalesce({matches[found[2]]}, 0)"
        elif found := REGEX.match(stage):
            conditions.append(f'"{found[1]}" REGEXP {sql_text(unescaped(found[2]))}')
        elif stage.startswith("search "):
            # pySigma leaves an OR before what follows a regular expression; Splunk reads over it.
            conditions.append(read_clause(stage.removeprefix("search ").removeprefix("OR "), flags))
        else:
            raise OtherForm(stage)
    return " AND ".join(conditions)


def read_clause(text: str, flags: Mapping[str, str]) -> str:
    """One clause to its end."""
    search = Search(text, flags)
    condition = search.all_of()
    if search.peek():
        raise OtherForm(f"`{search.peek()}` is left")
    return condition


def main(arguments: Sequence[str]) -> int:
    """Writes a rule set."""
    found = []
    for line in Path(arguments[0]).read_text("utf-8").splitlines():
        rule = json.loads(line)
        try:
            found.append({"title": rule["id"], "rule": [f"SELECT * FROM logs WHERE {convert(rule['spl'])}"]})
        except OtherForm as reason:
            print(f"{rule['id']}: {reason}", file=sys.stderr)
    Path(arguments[1]).write_text(json.dumps(found, indent=1), "utf-8")
    print(len(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`detlab conformance --write` on pages of one's own."""

import pytest

from tests.cli.command_line import detlab

INPUT = """```input
host | n:number
b | 2
a | 1
```
"""


def case(title, query, outcome, facts="Evidence: documented"):
    return f"## {title}\n\n{facts}\n\n{INPUT}\n```spl\n{query}\n```\n\n{outcome}\n"


PAGE = "# Sums\n\nWhat `output` blocks hold.\n\n" + "\n".join(
    (
        case("Documented, and it holds", "| stats sum(n) as n", "```output\n| n |\n|  3.0|\n```"),
        case("Documented, and it differs", "| stats count", "```output\ncount\n7\n```"),
        case("Empty", "| stats sum(n) as n by host", "```output\n```"),
        case("Empty and ordered", "| sort - n | table host", "```output ordered\n\n\n```"),
        case("Nothing comes of it", "| where n > 5", "```output\n```"),
        case("Empty, and the query fails", "| fnord", "```output\n```"),
        case("Empty, and a gap is known", "| stats count", "```output\n```", "Known gap: not yet"),
        case("Documented last", "| stats count", "```output\ncount\n2\n```"),
    )
)
EMPTY = {
    "Empty": ("output", "host | n\na    | 1\nb    | 2"),
    "Empty and ordered": ("output ordered", "host\nb\na"),
    "Nothing comes of it": ("output", "(no rows)"),
}


def filled_in(page):
    """The page as it has to become: only the three outputs are others."""
    for title, (word, rows) in EMPTY.items():
        before, heading, after = page.partition(f"## {title}\n")
        start = after.index(f"```{word}\n") + len(word) + 4
        page = before + heading + after[:start] + rows + "\n" + after[after.index("```", start) :]
    return page


@pytest.fixture
def page(tmp_path):
    path = tmp_path / "pages" / "spl" / "sums.md"
    path.parent.mkdir(parents=True)
    path.write_text(PAGE)
    return path


def test_write_fills_in_what_is_empty_and_leaves_what_is_documented(page):
    ran = detlab("conformance", page.parents[1], "--write")
    assert page.read_text() == filled_in(PAGE)
    told = [line for line in ran.out.splitlines() if line.endswith(": output filled in")]
    assert [line.removeprefix(f"{page}:").split(": ")[1] for line in told] == list(EMPTY)
    places = [line.removeprefix(f"{page}:").split(":")[0] for line in told]
    assert [page.read_text().splitlines()[int(number) - 1].removeprefix("## ") for number in places] == list(EMPTY)


def test_a_documented_output_that_differs_stays_and_is_told(page):
    ran = detlab("conformance", page.parents[1], "--write")
    assert ran.code == 1
    differing = [line for line in ran.out.splitlines() if line.endswith(": differs")]
    assert [line.split(": ")[1] for line in differing] == ["Documented, and it differs", "Empty, and the query fails"]
    assert "```output\ncount\n7\n```" in page.read_text()
    assert "no command is called `fnord`" in ran.out


def test_what_was_filled_in_holds_and_is_not_filled_in_again(page):
    detlab("conformance", page.parents[1], "--write")
    before = page.stat().st_mtime_ns
    again = detlab("conformance", page.parents[1], "--write", "--json").document
    states = {c["title"]: c["state"] for c in again["cases"]}
    assert {title: states[title] for title in EMPTY} == dict.fromkeys(EMPTY, "holds")
    assert "filled" not in again
    assert page.stat().st_mtime_ns == before


def test_json_names_each_output_that_was_filled_in(page):
    document = detlab("conformance", page.parents[1], "--write", "--json").document
    assert document["filled"] == [{"page": str(page), "title": title} for title in EMPTY]


def test_lines_of_a_page_end_as_they_did(page):
    page.write_text(PAGE, newline="\r\n")
    detlab("conformance", page.parents[1], "--write")
    assert page.read_bytes() == filled_in(PAGE).replace("\n", "\r\n").encode()


def test_pages_of_another_language_are_left_alone(page):
    other = page.parents[1] / "cql" / "sums.md"
    other.parent.mkdir()
    other.write_text("# Sums\n\n## Empty\n\n```cql\ncreateEvents(a) | x := 1 | select(x)\n```\n\n```output\n```\n")
    detlab("conformance", page.parents[1], "--write", "--language", "spl")
    assert "```output\n```" in other.read_text()


def test_nothing_is_written_unless_it_is_asked_for(page):
    ran = detlab("conformance", page.parents[1])
    assert page.read_text() == PAGE
    assert "output filled in" not in ran.out

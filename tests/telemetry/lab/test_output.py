"""What programs write, as text, whatever they take for a character set; in time that grows with its size alone."""

import time

import pytest

from harness.telemetry.lab.output import Output, decode_output, find_codec, plain_errors, read_code_page


def text(data, number="850"):
    return decode_output(data, lambda: find_codec(number))


def test_one_stray_byte_changes_one_character():
    good = "Schl\u00fcssel \u4e2d\u6587 \u0434\u0430\r\n"
    output = Output()
    output.add(good.encode() * 5 + b"caf\xe9\r\n")
    assert output.text() == good * 5 + "caf\ufffd\r\n"
    assert text("\u4e2d\u6587 \u0434\u0430 ".encode() + b"\xe9!\r\n") == "\u4e2d\u6587 \u0434\u0430 \ufffd!\r\n"


@pytest.mark.parametrize(
    ("number", "data", "expected"),
    [
        ("850", b"Pr\x81fung: \x84\x94\x81\xe1\r\n", "Pr\u00fcfung: \u00e4\u00f6\u00fc\u00df\r\n"),
        ("437", b"caf\x82\r\n", "caf\u00e9\r\n"),
        ("866", b"\x8f\xe0\xa8\xa2\xa5\xe2\r\n", "\u041f\u0440\u0438\u0432\u0435\u0442\r\n"),
        ("932", "\u65e5\u672c\u8a9e\u30bd\u8868\r\n".encode("cp932"), "\u65e5\u672c\u8a9e\u30bd\u8868\r\n"),
        ("936", "\u4e2d\u6587\r\n".encode("gbk"), "\u4e2d\u6587\r\n"),
        ("", b"caf\x82\r\n", "caf\ufffd\r\n"),
        ("99999", b"caf\x82\r\n", "caf\ufffd\r\n"),
    ],
)
def test_a_line_that_is_not_utf_8_is_of_the_hosts_code_page(number, data, expected):
    assert text(data, number) == expected


def test_lines_of_several_programs_are_each_read_as_they_were_written():
    data = "Gr\u00fc\u00dfe\r\n".encode() + "Gr\u00fc\u00dfe\r\n".encode("cp850") + b"plain\r\n" + "\u65e5".encode()
    assert text(data) == "Gr\u00fc\u00dfe\r\nGr\u00fc\u00dfe\r\nplain\r\n\u65e5"


def test_utf_16_is_read_with_its_mark_and_without():
    assert decode_output("caf\u00e9\r\n".encode("utf-16")) == "caf\u00e9\r\n"
    assert decode_output("sc query\r\n".encode("utf-16-le")) == "sc query\r\n"


def test_the_code_page_is_not_asked_for_where_everything_is_utf_8():
    asked = []
    assert decode_output("Gr\u00fc\u00dfe\r\n".encode() * 9, lambda: asked.append(1) or "") == "Gr\u00fc\u00dfe\r\n" * 9
    assert asked == []


def test_a_cut_through_a_character_is_no_stray_byte():
    output = Output()
    whole = "\u65e5" * (1 << 20)
    output.add(whole.encode() * 2)
    kept, _, said = output.text().partition("\n")
    assert set(kept) == {"\u65e5"}
    assert said == "[detlab: the rest of the output was left out]"


def test_an_answer_names_a_code_page_in_any_language():
    key = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Nls\CodePage"
    assert read_code_page(f"\r\n{key}\r\n    OEMCP    REG_SZ    850\r\n\r\n") == "cp850"
    assert read_code_page("FEHLER: Der angegebene Schl\u00fcssel wurde nicht gefunden.\r\n") == ""


def test_errors_of_powershell_are_text_and_its_halves_of_characters_are_joined():
    objects = '<Objs Version="1.1.0.1"><Obj S="progress"/><S S="Error">no _xD83D__xDE00_ &lt;here&gt;_x000D__x000A_</S>'
    given = f'before#< CLIXML\r\n{objects}<S S="verbose">v</S><S S="Warning">w</S></Objs>after'
    assert plain_errors(given) == "beforeno \U0001f600 <here>\nwafter"
    assert plain_errors('#< CLIXML\r\n<Objs><S S="Error">_xD83D_ alone</S></Objs>') == "\ufffd alone"


@pytest.mark.parametrize(
    "given",
    [
        "#< CLIXML<Objs>" * 280_000,
        "#< CLIXML <Objs>" + '<S S="Error">' * 320_000,
        "#< CLIXML" + " " * 4_000_000,
        "_x" * 2_000_000,
    ],
)
def test_errors_that_never_end_cost_no_more_than_their_size(given):
    start = time.process_time()
    plain_errors(given)
    assert time.process_time() - start < 5


def test_many_short_lines_in_another_code_page_are_read_in_time():
    start = time.process_time()
    assert text(b"\x81\n" * 400_000) == "\u00fc\n" * 400_000
    assert time.process_time() - start < 10

"""ISO times, many at once: read digit by digit, where they are spelled as usual, and printed."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.telemetry.events.text_columns import clocks, dates, from_table
from harness.telemetry.events.text_slices import Places, text_bytes, text_offsets
from harness.telemetry.simulation.identity import Bytes, build_fixed_width_texts

# `2024-01-01T10:00:00`, and with a point, nine digits and a Z.
SHORTEST, LONGEST = 19, 30
FRACTION = 20
DASH_PLACES, COLON_PLACES, BEFORE_CLOCK, POINT_PLACE = (4, 7), (13, 16), 10, 19
# Behind the day that the month begins with.
MONTH_DAYS = np.array([0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31])
MICROS_A_DAY = 86_400_000_000


def read_iso_times(texts: pa.StringArray) -> tuple[Places, npt.NDArray[np.bool_]]:
    """Microseconds since 1970 of the texts, and which of them were read; digits beyond the sixth are cut off."""
    offsets = text_offsets(texts)
    sizes = np.diff(offsets)
    micros = np.zeros(len(texts), np.int64)
    read = np.zeros(len(texts), bool)
    data = text_bytes(texts)
    for size in np.unique(sizes).tolist():
        if not SHORTEST <= size <= LONGEST:
            continue
        rows = np.flatnonzero(sizes == size)
        if len(rows) == len(texts):
            letters = data[offsets[0] : offsets[-1]].reshape(-1, size)
        else:
            letters = data[offsets[:-1][rows][:, None] + np.arange(size)]
        micros[rows], read[rows] = read_equal_sizes(letters)
    return micros, read


def read_equal_sizes(letters: Bytes) -> tuple[Places, npt.NDArray[np.bool_]]:
    """The same of texts of one size, a row a text."""
    columns = np.ascontiguousarray(letters.T)
    zoned = columns[-1] == ord("Z")
    # Texts of one size end alike, or with a digit more or less.
    end = len(columns) - 1 if zoned.all() else len(columns)
    right = (columns[BEFORE_CLOCK] == ord("T")) | (columns[BEFORE_CLOCK] == ord(" "))
    for place in (*DASH_PLACES, *COLON_PLACES):
        right &= columns[place] == ord("-" if place in DASH_PLACES else ":")
    if end > SHORTEST:
        right &= columns[POINT_PLACE] == ord(".")
    if end == FRACTION:
        return np.zeros(len(letters), np.int64), np.zeros(len(letters), bool)
    digits = columns - np.uint8(48)
    for place in (0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18, *range(FRACTION, end)):
        right &= digits[place] < 10
    year, month, day = join_digits(digits[0:4]), join_digits(digits[5:7]), join_digits(digits[8:10])
    hour, minute, second = (join_digits(digits[at : at + 2]) for at in (11, 14, 17))
    right &= (hour < 24) & (minute < 60) & (second < 60) & (year > 0)
    days, real = count_days(year, month, day)
    cut = min(end, FRACTION + 6)
    fraction = join_digits(digits[FRACTION:cut]) * 10 ** (FRACTION + 6 - cut) if end > FRACTION else 0
    clock = (hour * 60 + minute) * 60 + second
    return days * MICROS_A_DAY + clock * 1_000_000 + fraction, right & real


def join_digits(digits: Bytes) -> Places:
    """Numbers of their digits, a row a digit."""
    number: Places = digits[0].astype(np.int64)
    for digit in digits[1:]:
        number = number * 10 + digit.astype(np.int64)
    return number


def count_days(year: Places, month: Places, day: Places) -> tuple[Places, npt.NDArray[np.bool_]]:
    """Days since 1970, and which dates there are."""
    leap = (year % 4 == 0) & ((year % 100 != 0) | (year % 400 == 0))
    real = (month >= 1) & (month <= 12) & (day >= 1) & (day <= MONTH_DAYS[np.minimum(month, 12)])
    real &= (month != 2) | (day < 29) | leap
    # Years from March on, so that the day of a leap year is the last; from days_from_civil (H. Hinnant).
    since_march = year - (month <= 2)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    days = since_march * 365 + since_march // 4 - since_march // 100 + since_march // 400 + day_of_year
    return days - 719_468, real


def print_iso_times(moments: Places, precision: int, digits: int) -> pa.StringArray:
    """Moments since 1970 in tenths of a second to the power of `precision`, with so many digits behind the point."""
    seconds, fraction = np.divmod(moments, 10**precision)
    days, clock = np.divmod(seconds, 86_400)
    text = np.full((len(moments), 21 + digits), ord("0"), np.uint8)
    text[:, :10] = dates(days)
    text[:, BEFORE_CLOCK], text[:, POINT_PLACE], text[:, -1] = ord("T"), ord("."), ord("Z")
    text[:, 11:POINT_PLACE] = from_table(clock, 86_400, clocks)
    for place in range(min(digits, precision)):
        text[:, FRACTION + place] = 48 + fraction // 10 ** (precision - 1 - place) % 10
    return build_fixed_width_texts(text)

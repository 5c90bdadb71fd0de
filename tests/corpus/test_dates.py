import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.corpus.dates import iso


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T10:20:30Z", "2024-01-31"),
        ("2024. 1. 3.", "2024-01-03"),
        ("2024/1/3", "2024-01-03"),
        ("2024년 1월 3일", "2024-01-03"),
        ("20240103", "2024-01-03"),
        ("202401", "2024-01"),
        (20240103, "2024-01-03"),
        (2024, "2024"),
        (2024.0, "2024"),
        (datetime.datetime(2024, 1, 3, 4), "2024-01-03"),
        (datetime.date(2024, 1, 3), "2024-01-03"),
        ("2024-13-01", None),
        ("2023-02-29", None),
        ("0000", None),
        ("3월 2일", None),
        ("", None),
        (None, None),
        (True, None),
        (1704067200000, None),
        (float("nan"), None),
        (["2024"], None),
    ],
)
def test_a_date_is_iso_or_nothing(value, expected):
    assert iso(value) == expected


@given(st.none() | st.text() | st.integers() | st.floats() | st.dates() | st.datetimes())
def test_no_value_is_an_error(value):
    assert iso(value) is None or iso(iso(value)) == iso(value)

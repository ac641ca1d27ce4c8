"""Venue times, held against the standard library where that is fine enough."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from citadel_kit.venues.iso8601 import iso_ns

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
moments = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1))  # noqa: DTZ001


@given(moments)
def test_microseconds_are_those_of_the_standard_library(moment: datetime) -> None:
    text = moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    assert iso_ns(text) == (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1) * 1000


@given(moments, st.integers(0, 999_999_999))
def test_decimals_up_to_nine_are_kept_and_trailing_zeros_may_be_missing(moment: datetime, ns: int) -> None:
    """Coinbase leaves them out: `20:32:50.71496485Z`."""
    whole = moment.strftime("%Y-%m-%dT%H:%M:%S")
    expected = (moment.replace(microsecond=0, tzinfo=UTC) - EPOCH) // timedelta(seconds=1) * 10**9 + ns
    assert iso_ns(f"{whole}.{ns:09d}Z") == expected
    short = f"{ns:09d}".rstrip("0")
    assert iso_ns(f"{whole}.{short}Z" if short else f"{whole}Z") == expected


def test_no_time_is_zero() -> None:
    assert iso_ns("") == 0
    assert iso_ns("0001-01-01T00:00:00Z") == 0
    assert iso_ns("1970-01-01T00:00:00Z") == 0


@pytest.mark.parametrize(
    "text",
    [
        "Z",
        "yesterday",
        "2026-08-02",
        "2026-08-02T03:35:51",
        "2026-08-02T03:35:51.660084",
        "2026-08-02T03:35:51.660084+00:00",
        "2026-08-02 03:35:51.660084Z",
        "2026-08-02T03:35:5Z",
        "2026-08-02T03:35:5x.660084Z",
        "2026-08-02T03:35:62.660084Z",
        "2026-08-02T03:35:51,660084Z",
        "2026-08-02T03:35:51.66008４Z",
        "2026-08-02T03:35:51.6600841234Z",
        "2026-08-02T03-35:51.660084Z",
        "2026-13-02T03:35:51.660084Z",
        "2026-W05-1T10:00:51.660084Z",
        "２026-08-02T03:35:51.660084Z",
        "2999-08-02T03:35:51.660084Z",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|second|month|ahead"):
        iso_ns(text)

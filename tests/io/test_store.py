from __future__ import annotations

from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from candle_samples import random_candles

from citadel_kit.errors import CandleError, ConfigError, DataError
from citadel_kit.io.store import CandleStore, read_candles, write_candles
from citadel_kit.macro.candles import open_ns
from citadel_kit.macro.quality import check


def written(path: Path, frame: pd.DataFrame) -> Path:
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), path)
    return path


def test_what_is_written_is_read_and_the_same_bars_give_the_same_bytes(tmp_path: Path) -> None:
    frame = random_candles(100)
    write_candles(tmp_path / "deep" / "a.parquet", frame)
    write_candles(tmp_path / "b.parquet", frame.assign(extra=1))
    pd.testing.assert_frame_equal(read_candles(tmp_path / "b.parquet"), frame, check_freq=False)
    assert (tmp_path / "deep" / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_any_resolution_and_further_columns_are_accepted(tmp_path: Path, unit: str) -> None:
    frame = random_candles(10)
    flat = frame.set_axis(frame.index.as_unit(unit)).reset_index().assign(trades=7)
    read = read_candles(written(tmp_path / "x.parquet", flat))
    pd.testing.assert_frame_equal(read, frame, check_freq=False)


def test_integer_prices_become_floats_and_words_are_refused(tmp_path: Path) -> None:
    flat = random_candles(3).reset_index()
    read = read_candles(written(tmp_path / "x.parquet", flat.assign(volume=[1, 2, 3])))
    assert read["volume"].tolist() == [1.0, 2.0, 3.0]
    with pytest.raises(CandleError, match="no number"):
        read_candles(written(tmp_path / "y.parquet", flat.assign(volume=["1", "many", "3"])))


@pytest.mark.parametrize("kind", ["naive", "zone", "integer", "text"])
def test_times_that_could_mean_something_else_are_refused(tmp_path: Path, kind: str) -> None:
    flat = random_candles(5).reset_index()
    flat["ts"] = {
        "naive": flat["ts"].dt.tz_localize(None),
        "zone": flat["ts"].dt.tz_convert("Asia/Shanghai"),
        "integer": flat["ts"].astype("int64"),
        "text": flat["ts"].astype(str),
    }[kind]
    with pytest.raises(CandleError, match="time zone UTC") as caught:
        read_candles(written(tmp_path / "x.parquet", flat))
    assert caught.value.fault == "not_utc"


def test_missing_columns_files_and_formats_are_named(tmp_path: Path) -> None:
    with pytest.raises(CandleError, match="has no close"):
        read_candles(written(tmp_path / "x.parquet", random_candles(5).reset_index().drop(columns="close")))
    with pytest.raises(DataError, match="no such file"):
        read_candles(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("ts,open\n")
    with pytest.raises(DataError, match="can't be read as Parquet"):
        read_candles(tmp_path / "text.parquet")


def test_every_real_file_is_read_and_sound(shared: Path) -> None:
    files = sorted((shared / "candles").glob("*_1m_*/*.parquet"))
    files += sorted((shared / "candles").glob("binance_spot_1h/*.parquet"))
    assert len(files) > 10
    for path in files:
        check(read_candles(path), "1h" if "1h" in path.name else "1m")


# --- the store ---


def kept(store: CandleStore) -> pd.DataFrame:
    return store.read("binance", "BTC/USDT", "1h")


def add(store: CandleStore, frame: pd.DataFrame) -> int:
    return store.append("binance", "BTC/USDT", "1h", frame)


def test_appends_write_new_files_and_leave_the_old_ones_alone(tmp_path: Path) -> None:
    frame, store = random_candles(300), CandleStore(tmp_path)
    assert add(store, frame.iloc[:100]) == 100
    (first,) = tmp_path.rglob("*.parquet")
    before = first.read_bytes()
    assert add(store, frame.iloc[50:200]) == 100  # what overlaps is equal, and stored once
    assert add(store, frame.iloc[:200]) == 0
    assert add(store, frame.iloc[250:]) == 50
    assert add(store, frame.iloc[190:260]) == 50  # the hole between
    assert first.read_bytes() == before
    assert len(list(tmp_path.rglob("*.parquet"))) == 4
    pd.testing.assert_frame_equal(kept(store), frame, check_freq=False)
    (market,) = store.markets()
    opens = open_ns(frame)
    assert market == ("binance", "BTC/USDT", "1h", 300, int(opens[0]), int(opens[-1]), 4)


def test_a_span_is_read_without_the_rest(tmp_path: Path) -> None:
    frame, store = random_candles(300), CandleStore(tmp_path)
    add(store, frame.iloc[:200])
    add(store, frame.iloc[200:])
    opens = open_ns(frame)
    some = store.read("binance", "BTC/USDT", "1h", int(opens[150]), int(opens[250]))
    pd.testing.assert_frame_equal(some, frame.iloc[150:250], check_freq=False)
    assert store.read("binance", "ETH/USDT", "1h").empty
    assert list(store.read("binance", "ETH/USDT", "1h").columns) == list(frame.columns)


def test_stored_bars_that_differ_and_faulty_ones_store_nothing(tmp_path: Path) -> None:
    frame, store = random_candles(100), CandleStore(tmp_path)
    add(store, frame.iloc[:60])
    other = frame.copy()
    other.iloc[55, 4] += 1.0
    with pytest.raises(CandleError, match="1 stored bars"):
        add(store, other)
    with pytest.raises(CandleError, match="unsorted"):
        add(store, frame.iloc[::-1])
    assert len(kept(store)) == 60
    with pytest.raises(ConfigError, match="unified"):
        store.append("binance", "BTCUSDT", "1h", frame)


def test_a_writer_that_dies_leaves_no_half_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frame, store = random_candles(100), CandleStore(tmp_path)
    add(store, frame.iloc[:60])

    def dies(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("os.replace", dies)
    with pytest.raises(OSError, match="no space"):
        add(store, frame)
    monkeypatch.undo()
    assert len(kept(store)) == 60
    assert add(store, frame) == 40
    pd.testing.assert_frame_equal(kept(store), frame, check_freq=False)


def test_duckdb_reads_it_as_it_is(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    add(store, random_candles(100))
    store.append("okx", "BTC/USDT:USDT", "1h", random_candles(50, seed=2))
    query = f"""
        select venue, symbol, timeframe, count(*), max(close)
        from read_parquet('{tmp_path}/**/*.parquet', hive_partitioning = true) group by all order by venue
    """
    assert duckdb.sql(query).fetchall() == [
        ("binance", "BTC-USDT", "1h", 100, random_candles(100)["close"].max()),
        ("okx", "BTC-USDT_USDT", "1h", 50, random_candles(50, seed=2)["close"].max()),
    ]
    assert [market.symbol for market in store.markets()] == ["BTC/USDT", "BTC/USDT:USDT"]


@pytest.mark.parametrize(
    ("venue", "symbol", "timeframe", "say"),
    [
        ("binanse", "BTC/USDT", "1h", "Perhaps binance"),
        ("Binance", "BTC/USDT", "1h", "Perhaps binance"),
        ("nowhere", "BTC/USDT", "1h", "Known: binance, "),
        ("../binance", "BTC/USDT", "1h", "unknown"),
        ("binance", "btc/usdt", "1h", "Write it as BTC/USDT"),
        ("binance", "../x", "1h", "no unified symbol"),
        ("binance", "../X", "1h", "no unified symbol"),
        ("binance", "BTC/..", "1h", "no unified symbol"),
        ("binance", "BTC\\X/USDT", "1h", "no unified symbol"),
        ("binance", "BTC/USDT", "60m", "is written 1h"),
        ("binance", "BTC/USDT", "01h", "is written 1h"),
        ("binance", "BTC/USDT", "../1h", "use minutes, hours or days"),
    ],
)
def test_another_spelling_is_never_another_folder(
    tmp_path: Path, venue: str, symbol: str, timeframe: str, say: str
) -> None:
    store = CandleStore(tmp_path / "store")
    for use in (
        lambda: store.append(venue, symbol, timeframe, random_candles(30)),
        lambda: store.read(venue, symbol, timeframe),
    ):
        with pytest.raises((ConfigError, CandleError), match=say):
            use()
    assert list(tmp_path.iterdir()) == []


def test_both_spellings_of_a_linear_contract_are_one_folder(tmp_path: Path) -> None:
    store = CandleStore(tmp_path)
    store.append("binanceusdm", "BTC/USDT:USDT", "1h", random_candles(30))
    assert len(store.read("binanceusdm", "BTC/USDT", "1h")) == 30
    assert len(store.markets()) == 1


def test_a_bar_that_is_not_closed_is_not_stored_where_the_time_is_given(tmp_path: Path) -> None:
    frame, store = random_candles(10), CandleStore(tmp_path)
    closed = int(open_ns(frame)[-1]) + 3_600 * 10**9
    with pytest.raises(CandleError, match="unclosed"):
        store.append("binance", "BTC/USDT", "1h", frame, closed - 1)
    assert store.markets() == []
    assert store.append("binance", "BTC/USDT", "1h", frame, closed) == 10

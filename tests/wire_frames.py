"""Frames of every wire as its venue sends them, one of each kind: for the tests, and as seeds of the fuzz."""

from __future__ import annotations

from typing import Final

from citadel_kit import settings
from citadel_kit.types import Instrument

BINANCE_TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161255343,"s":"BTCUSDT","t":3735683259,'
    b'"p":"61837.63000000","q":"0.02000000","T":1723161255342,"m":true,"M":true}}'
)
BINANCE_QUOTE = (
    b'{"stream":"btcusdt@bookTicker","data":{"u":50093239212,"s":"BTCUSDT","b":"61837.63000000",'
    b'"B":"3.78826000","a":"61837.64000000","A":"1.54698000"}}'
)
BINANCE_DEPTH = (
    b'{"stream":"btcusdt@depth@100ms","data":{"e":"depthUpdate","E":1723161255308,"s":"BTCUSDT",'
    b'"U":50093239203,"u":50093239207,"b":[["55653.87000000","0.00000000"]],'
    b'"a":[["61838.04000000","0.32332000"],["61862.51000000","0.00000000"]]}}'
)
USDM_TRADE = (
    b'{"stream":"btcusdt@trade","data":{"e":"trade","E":1723161256322,"T":1723161256321,"s":"BTCUSDT",'
    b'"t":5266583935,"p":"61800.30","q":"0.006","X":"MARKET","m":false}}'
)
USDM_QUOTE = (
    b'{"stream":"btcusdt@bookTicker","data":{"e":"bookTicker","u":5123107839020,"s":"BTCUSDT",'
    b'"b":"61800.20","B":"2.507","a":"61800.30","A":"2.510","T":1723161256312,"E":1723161256313}}'
)
USDM_DEPTH = (
    b'{"stream":"btcusdt@depth@0ms","data":{"e":"depthUpdate","E":1723161256299,"T":1723161256298,'
    b'"s":"BTCUSDT","U":5123107832006,"u":5123107837557,"pu":5123107831937,"b":[["58710.20","0.014"]],'
    b'"a":[["61808.00","0.000"]]}}'
)
BYBIT_BOOK = (
    b'{"topic":"orderbook.50.BTCUSDT","ts":1731035685326,"type":"delta","data":{"s":"BTCUSDT",'
    b'"b":[["75848.74","0.067669"],["75840","0"]],"a":[],"u":18521289,"seq":7961638725},"cts":1731035685320}'
)
BYBIT_SNAPSHOT = (
    b'{"topic":"orderbook.50.BTCUSDT","ts":1731035685300,"type":"snapshot","data":{"s":"BTCUSDT",'
    b'"b":[["75840","1"]],"a":[["75850.1","0.5"]],"u":18521288,"seq":7961638724},"cts":1731035685299}'
)
BYBIT_QUOTE = (
    b'{"topic":"orderbook.1.BTCUSDT","type":"snapshot","ts":1786639170499,"data":{"s":"BTCUSDT",'
    b'"b":[["63040.8","3.323"]],"a":[["63040.9","4.686"]],"u":31071061,"seq":763537012912},"cts":1786639170498}'
)
BYBIT_TRADE = (
    b'{"topic":"publicTrade.BTCUSDT","ts":1789875217841,"type":"snapshot","data":[{"BT":false,"RPI":false,'
    b'"S":"Sell","T":1789875217840,"i":"2290000001211680903","p":"80413.3","s":"BTCUSDT","seq":114263055846,'
    b'"v":"0.06"},{"BT":false,"RPI":false,"S":"Buy","T":1789875217839,'
    b'"i":"20f43950-d8dd-5b31-9112-a178eb6023af","p":"80413.4","s":"BTCUSDT","seq":114263055846,"v":"1"}]}'
)
BYBIT_PONG = b'{"success":true,"ret_msg":"pong","conn_id":"a806f6c4-3608-4b6d-a225-9f5da975bc44","op":"ping"}'
BYBIT_ACK = (
    b'{"success":true,"ret_msg":"subscribe","conn_id":"d30fdpbboasp1pjbe7r0","req_id":"3","op":"subscribe"}'
)
BYBIT_REFUSED = (
    b'{"success":false,"ret_msg":"error:handler not found,topic:orderbook.50.NOPEUSDT","conn_id":"da7t",'
    b'"req_id":"3","op":"subscribe"}'
)
OKX_UPDATE = (
    b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"update","data":[{"asks":[["30243.5","1.2112",'
    b'"0","4"],["30247.5","0","0","0"]],"bids":[["30228","0.5","0","1"]],"ts":"1652459225453","checksum":0,'
    b'"prevSeqId":10000000,"seqId":10000014}]}'
)
OKX_SNAPSHOT = (
    b'{"arg":{"channel":"books","instId":"BTC-USDT"},"action":"snapshot","data":[{"asks":[["30243.5","1.44679",'
    b'"0","6"]],"bids":[["30228","0.5","0","1"]],"ts":"1652459225381","checksum":0,"prevSeqId":-1,'
    b'"seqId":10000000}]}'
)
OKX_QUOTE = (
    b'{"arg":{"channel":"bbo-tbt","instId":"BTC-USDT"},"data":[{"asks":[["30243.5","1.4","0","2"]],'
    b'"bids":[["30228","0.5","0","2"]],"ts":"1670324386802","seqId":363996337}]}'
)
OKX_TRADE = (
    b'{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"338476307",'
    b'"px":"30236","sz":"0.0002","side":"buy","ts":"1652459224818"}]}'
)
OKX_ACK = b'{"id":"3","event":"subscribe","arg":{"channel":"books","instId":"BTC-USDT"},"connId":"a4d3ae55"}'
OKX_REFUSED = (
    b'{"event":"error","code":"60018","msg":"channel:book,instId:BTC-USDT is unknown","connId":"a4d3"}'
)
KRAKEN_SNAPSHOT = (
    b'{"channel":"book","type":"snapshot","data":[{"symbol":"BTC/USD","bids":[{"price":63388.7,"qty":0.25761908},'
    b'{"price":63388.1,"qty":0.78879110}],"asks":[{"price":63391.0,"qty":1.00000000}],"checksum":3726153463}]}'
)
KRAKEN_UPDATE = (
    b'{"channel":"book","type":"update","data":[{"symbol":"BTC/USD","bids":[{"price":63381.0,"qty":0.00000000},'
    b'{"price":63376.4,"qty":0.00005100}],"asks":[],"checksum":3726153463,'
    b'"timestamp":"2026-08-02T03:35:51.660084Z"}]}'
)
KRAKEN_TRADE = (
    b'{"channel":"trade","type":"update","data":[{"symbol":"BTC/USD","side":"sell","price":63388.7,'
    b'"qty":0.00005100,"ord_type":"market","trade_id":4665906,"timestamp":"2026-08-02T03:35:51.660084Z"}]}'
)
KRAKEN_INSTRUMENT = (
    b'{"channel":"instrument","type":"snapshot","data":{"assets":[],"pairs":[{"symbol":"BTC/USD","base":"BTC",'
    b'"quote":"USD","status":"online","qty_precision":8,"qty_increment":1e-08,"price_precision":1,'
    b'"cost_precision":5,"cost_min":0.5,"price_increment":0.1,"tick_size":0.1,"qty_min":5e-05}]}}'
)
KRAKEN_REFUSED = (
    b'{"error":"Subscription depth not supported","method":"subscribe","req_id":3,"success":false,'
    b'"symbol":"BTC/USD","time_in":"2026-08-02T03:35:50.983359Z","time_out":"2026-08-02T03:35:50.983398Z"}'
)
COINBASE_BOOK = (
    b'{"channel":"l2_data","client_id":"","timestamp":"2021-04-17T16:43:37.075351Z","sequence_num":7,"events":['
    b'{"type":"update","product_id":"SKL-USD","updates":[{"side":"offer","event_time":"2021-04-17T16:43:37Z",'
    b'"price_level":"0.7923","new_quantity":"7441.5"},{"side":"bid","event_time":"2021-04-17T16:43:37Z",'
    b'"price_level":"0.7885","new_quantity":"0"}]}]}'
)
COINBASE_TRADES = (
    b'{"channel":"market_trades","client_id":"","timestamp":"2021-04-17T16:43:37.089723Z","sequence_num":19,'
    b'"events":[{"type":"update","trades":[{"product_id":"SKL-USD","trade_id":"280233","price":"0.7924",'
    b'"size":"985","time":"2021-04-17T16:43:37.0897231Z","side":"SELL"},{"product_id":"SKL-USD","trade_id":"280232",'
    b'"price":"0.7923","size":"0.5","time":"2021-04-17T16:43:37Z","side":"BUY"}]}]}'
)
COINBASE_HEARTBEAT = (
    b'{"channel":"heartbeats","timestamp":"2023-06-23T20:31:26.122969572Z","sequence_num":20,'
    b'"events":[{"current_time":"2023-06-23 20:31:56 +0000 UTC m=+91717.5","heartbeat_counter":3049}]}'
)
COINBASE_SUBSCRIBED = (
    b'{"channel":"subscriptions","client_id":"","timestamp":"2025-09-15T17:02:49.90120868Z","sequence_num":3,'
    b'"events":[{"subscriptions":{"level2":["SKL-USD"]}}]}'
)
EXCHANGE_L2UPDATE = (
    b'{"type":"l2update","product_id":"SKL-USD","changes":[["sell","0.7923","7441.5"],["buy","0.7885","0.0"]],'
    b'"time":"2021-04-17T16:43:37.075351Z"}'
)
EXCHANGE_SNAPSHOT = (
    b'{"type":"snapshot","product_id":"SKL-USD","asks":[["0.7923","5"]],"bids":[["0.7901","4.5"]]}'
)
EXCHANGE_MATCH = (
    b'{"type":"match","trade_id":280232,"maker_order_id":"2a0d","taker_order_id":"3c82","side":"sell","size":"985",'
    b'"price":"0.7923","product_id":"SKL-USD","sequence":177100030,"time":"2021-04-17T16:43:37.089723Z"}'
)
EXCHANGE_FAILED = (
    b'{"type":"error","message":"Failed to subscribe","reason":"BTC-XXX is not a valid product"}'
)

BINANCE_BODY = b'{"lastUpdateId":5,"bids":[["1.00","2"]],"asks":[["2.00","1.5"]]}'
BINANCE_ACK = b'{"result":null,"id":1}'
BINANCE_REFUSED = b'{"error":{"code":2,"msg":"Invalid request: unknown"},"id":1}'
OKX_PONG = b"pong"
KRAKEN_PONG = b'{"method":"pong","req_id":5,"time_in":"a","time_out":"b"}'
KRAKEN_ACK = b'{"method":"subscribe","req_id":3,"result":{"channel":"book","depth":25},"success":true}'
KRAKEN_HEARTBEAT = b'{"channel":"heartbeat"}'
COINBASE_REFUSED = b'{"type":"error","message":"authentication failure"}'
EXCHANGE_HEARTBEAT = b'{"type":"heartbeat","sequence":90,"last_trade_id":20,"product_id":"SKL-USD","time":""}'
EXCHANGE_SUBSCRIBED = b'{"type":"subscriptions","channels":[]}'

_BYBIT = (BYBIT_BOOK, BYBIT_SNAPSHOT, BYBIT_QUOTE, BYBIT_TRADE, BYBIT_PONG, BYBIT_ACK, BYBIT_REFUSED)


def _linear(raw: bytes) -> bytes:
    """Bybit's spot frame as the linear market would send it for XRP/USDT, whose sizes have one decimal."""
    for spot, linear in ((b"BTC", b"XRP"), (b'0.067669"', b'0.1"'), (b'.323"', b'.3"'), (b'.686"', b'.7"')):
        raw = raw.replace(spot, linear)
    return raw.replace(b'"0.06"', b'"6"')


FRAMES: Final[dict[str, tuple[bytes, ...]]] = {
    "binance": (BINANCE_DEPTH, BINANCE_QUOTE, BINANCE_TRADE, BINANCE_BODY, BINANCE_ACK, BINANCE_REFUSED),
    "binanceusdm": (USDM_DEPTH, USDM_QUOTE, USDM_TRADE, BINANCE_BODY, BINANCE_ACK, BINANCE_REFUSED),
    "bybit": _BYBIT,
    "bybitlinear": tuple(_linear(raw) for raw in _BYBIT),
    "okx": (OKX_UPDATE, OKX_SNAPSHOT, OKX_QUOTE, OKX_TRADE, OKX_ACK, OKX_REFUSED, OKX_PONG),
    "kraken": (
        *(KRAKEN_UPDATE, KRAKEN_SNAPSHOT, KRAKEN_TRADE, KRAKEN_INSTRUMENT),
        *(KRAKEN_ACK, KRAKEN_REFUSED, KRAKEN_PONG, KRAKEN_HEARTBEAT),
    ),
    "coinbase": (
        *(COINBASE_BOOK, COINBASE_TRADES),
        *(COINBASE_HEARTBEAT, COINBASE_SUBSCRIBED, COINBASE_REFUSED),
    ),
    "coinbaseexchange": (
        *(EXCHANGE_L2UPDATE, EXCHANGE_SNAPSHOT, EXCHANGE_MATCH),
        *(EXCHANGE_HEARTBEAT, EXCHANGE_SUBSCRIBED, EXCHANGE_FAILED),
    ),
}
"""By wire; the first of each is an update of a book."""

_SYMBOLS: Final = {
    "binance": ("BTC/USDT", "ETH/USDT"),
    "binanceusdm": ("BTC/USDT",),
    "bybit": ("BTC/USDT",),
    "bybitlinear": ("XRP/USDT",),
    "okx": ("BTC/USDT", "UNI/USD:UNI", "BTC/USD:BTC-220527"),
    "kraken": ("BTC/USD", "ETH/USD"),
    "coinbase": ("SKL/USD", "BAND/BTC", "CRV/EUR"),
    "coinbaseexchange": ("SKL/USD", "BAND/BTC", "CRV/EUR"),
}


def instruments(wire: str) -> list[Instrument]:
    """Those that the frames above are about, and some of the real tapes'."""
    return [settings.instrument(wire, symbol) for symbol in _SYMBOLS[wire]]

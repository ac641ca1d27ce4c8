"""Keys are shown nowhere: not by the kit, not by ccxt, not in what goes wrong. And what arms a broker."""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import sys
import traceback
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from broker_world import BID, BTC, QUICK, World, keys_of, open_exchange, place, play

from citadel_kit.errors import CitadelError, ConfigError
from citadel_kit.exchange.build import make_key
from citadel_kit.exchange.local import LocalExchange
from citadel_kit.exchange.venue import ApiKey
from citadel_kit.io.broker import CcxtBroker, arm_live, ask_permissions, capabilities
from citadel_kit.io.broker.wire import make_client
from citadel_kit.io.keys import Keys, Secret, load_keys
from citadel_kit.types import Side

KEY, SECRET, PASSWORD = "publicpart0123456789WXYZ", "verysecret0123456789", "passphrase0"
KEYS = Keys.of("okx", KEY, SECRET, PASSWORD)


@pytest.fixture(scope="module")
def exchange() -> Iterator[LocalExchange]:
    with open_exchange() as running:
        yield running


def leaks(text: str) -> list[str]:
    own = make_key(1, "binance")
    return [s for s in (KEY, SECRET, PASSWORD, own.key, own.secret) if s in text]


def test_nothing_that_shows_a_value_shows_a_secret() -> None:
    secret = Secret(SECRET)
    shown = [repr(thing) for thing in (secret, KEYS, [KEYS], {"keys": KEYS}, SimpleNamespace(keys=KEYS))]
    shown += [str(secret), str(KEYS), ascii(secret), f"{secret} {secret!r} {secret:>30} {secret:.3}"]
    assert leaks(" ".join([*shown, KEYS.tail, KEYS.account])) == []
    assert secret.reveal() == SECRET
    assert copy.deepcopy(KEYS).key.reveal() == KEY


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol: int) -> None:
    for thing in (Secret(SECRET), KEYS):
        with pytest.raises(TypeError, match="can't be pickled"):
            pickle.dumps(thing, protocol)


def test_a_secret_is_no_json_and_no_papermill_parameter() -> None:
    with pytest.raises(TypeError):
        json.dumps(Secret(SECRET))
    assert leaks(json.dumps({"keys": KEYS}, default=str)) == []


def test_keys_come_from_the_environment_and_else_from_the_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CITADEL_OKX_KEY", KEY)
    monkeypatch.setenv("CITADEL_OKX_SECRET", "line\\nline")
    with pytest.raises(ConfigError, match="CITADEL_OKX_PASSWORD") as caught:
        load_keys("okx", password=True)
    assert leaks(str(caught.value)) == []
    ring = {("citadel_kit", "CITADEL_OKX_PASSWORD"): PASSWORD, ("citadel_kit", "CITADEL_OKX_KEY"): "other"}
    fake = SimpleNamespace(get_password=lambda service, name: ring.get((service, name)))
    monkeypatch.setitem(sys.modules, "keyring", fake)
    keys = load_keys("okx", password=True)
    assert (keys.key.reveal(), keys.secret.reveal(), keys.password.reveal()) == (KEY, "line\nline", PASSWORD)

    def locked(*_: str) -> str:
        raise RuntimeError(f"the ring holds {SECRET}")

    monkeypatch.setitem(sys.modules, "keyring", SimpleNamespace(get_password=locked))
    monkeypatch.delenv("CITADEL_OKX_SECRET")
    with pytest.raises(ConfigError, match="CITADEL_OKX_SECRET") as caught:
        load_keys("okx")
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    ours = [frame for frame in frames if "citadel_kit" in frame.filename]
    assert ours and leaks(" ".join(str(frame.locals) for frame in ours)) == []


def test_ccxts_own_words_name_no_key(
    exchange: LocalExchange, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)

    async def scenario(world: World) -> None:
        world.broker._client.verbose = True
        for socket in world.broker._client.clients.values():
            socket.verbose = True
        world.send(place(1, Side.BUY, BID, 10_000))
        await world.told.until_kinds(1, "ACK")
        world.switch(http_error=1.0)
        world.send(place(2, Side.BUY, BID, 10_000))
        await world.told.until_kinds(2, "UNKNOWN")
        assert leaks(repr(world.broker.health())) == []
        assert leaks(repr(vars(world.broker))) == []

    play(exchange, scenario)
    said = caplog.text + "".join(capsys.readouterr())
    assert "fetch Request" in said and "RequestHeaders" in said  # it spoke
    assert "userDataStream.subscribe.signature" in said or "signature" in said
    assert leaks(said) == []


def test_what_goes_wrong_names_no_key(exchange: LocalExchange) -> None:
    at = exchange.ccxt_config("binance")
    own = make_key(1, "binance")
    wrong = Keys.of("binance", own.key, SECRET)

    async def start() -> None:
        await ask_permissions(wrong, at=at)

    for fault in ({}, {"maintenance": True}, {"http_error": 1.0}, {"timeout": 1.0}):
        exchange.faults(**fault)
        try:
            with pytest.raises(CitadelError) as caught:
                asyncio.run(asyncio.wait_for(start(), 20) if not fault.get("timeout") else _short(wrong, at))
        finally:
            exchange.call(exchange.venue().faults.clear)
        assert caught.value.__suppress_context__
        shown = "".join(traceback.format_exception(caught.value))
        assert leaks(shown) == []
        assert "signature=" not in shown


async def _short(keys: Keys, at: Any) -> None:
    await ask_permissions(keys, at=at, timeout_s=0.3)


# --- arming ---


def arm(exchange: LocalExchange, keys: Keys, word: str = "LIVE", **other: Any) -> Any:
    said: list[str] = []
    armed = asyncio.run(
        arm_live(
            "binance", keys, arm=word, limits={"per order": "500 USDT"}, say=said.append,
            at=exchange.ccxt_config("binance"), **other,
        )
    )  # fmt: skip
    return armed, said


def test_live_is_armed_by_hand_and_says_what(exchange: LocalExchange) -> None:
    armed, said = arm(exchange, keys_of(exchange))
    assert said == [str(armed)]
    assert "real money at binance" in said[0]
    assert make_key(1, "binance").key[-4:] in said[0]
    assert "trade: yes, withdraw: no" in said[0] and "per order 500 USDT" in said[0]
    assert leaks(said[0] + repr(armed)) == []


@pytest.mark.parametrize("word", ["", "live", "LIVE ", "yes", "Live"])
def test_no_other_word_arms(exchange: LocalExchange, word: str) -> None:
    with pytest.raises(ConfigError, match="arm"):
        arm(exchange, keys_of(exchange), word)


@pytest.mark.parametrize(("rights", "words"), [
    ({"may_withdraw": True}, "may withdraw"), ({"may_trade": False}, "may not trade")])  # fmt: skip
def test_a_key_with_the_wrong_rights_is_refused(
    exchange: LocalExchange, rights: dict[str, bool], words: str
) -> None:
    exchange.venue().add_key(
        ApiKey(key=f"k{words.replace(' ', '')}", secret=SECRET, account="main", **rights)
    )
    with pytest.raises(ConfigError, match=words):
        arm(exchange, Keys.of("binance", f"k{words.replace(' ', '')}", SECRET))


def test_without_arming_no_broker_goes_live(exchange: LocalExchange) -> None:
    def broker(venue: str = "binance", **how: Any) -> None:
        CcxtBroker(venue, [BTC], lambda *_: None, prefix="ck000000", config=QUICK, **how)

    keys = keys_of(exchange)
    with pytest.raises(ConfigError, match="arm"):
        broker(keys=keys)
    with pytest.raises(ConfigError, match="keys"):
        broker(keys=Keys.of("okx", KEY, SECRET), at=exchange.ccxt_config("binance"))
    armed, _ = arm(exchange, keys)
    broker(keys=armed)


def test_a_local_address_must_be_local(exchange: LocalExchange) -> None:
    """Else `at` would be a way to a real venue that nobody armed."""
    at = {"urls": {"api": {"private": "https://api.binance.com/api/v3"}}}
    with pytest.raises(ConfigError, match="not this machine"):
        make_client(capabilities("binance"), keys_of(exchange), at, timeout_s=1, recv_window_s=1)


BYBIT, KRAKEN = "private_get_v5_user_query_api", "private_post_getapikeyinfo"
OKX, COINBASE = "private_get_account_config", "v3_private_get_brokerage_key_permissions"


def bybit(wallet: str, read_only: object = 0) -> Any:
    return {"result": {"readOnly": read_only, "permissions": {"Spot": ["SpotTrade"], "Wallet": [wallet]}}}


@pytest.mark.parametrize(
    ("venue", "method", "answer", "trade", "withdraw"),
    [
        ("bybit", BYBIT, bybit("AccountTransfer"), True, False),
        ("bybit", BYBIT, bybit("Withdraw", "0"), True, True),
        ("bybit", BYBIT, bybit("", 1), False, False),
        ("okx", OKX, {"data": [{"perm": "read_only,trade"}]}, True, False),
        ("okx", OKX, {"data": [{"perm": "read_only,withdraw,trade"}]}, True, True),
        ("kraken", KRAKEN, {"result": {"permissions": ["query-funds", "withdraw-funds"]}}, None, True),
        ("kraken", KRAKEN, {"result": {}}, None, None),
        ("coinbase", COINBASE, {"can_trade": True, "can_transfer": True}, True, True),
        ("coinbase", COINBASE, {"can_trade": True}, True, None),
    ],
)
def test_each_venue_is_asked_in_its_own_way(
    monkeypatch: pytest.MonkeyPatch, venue: str, method: str, answer: Any, trade: Any, withdraw: Any
) -> None:
    import ccxt.pro

    async def said(self: object) -> Any:
        return answer

    assert callable(getattr(getattr(ccxt.pro, venue)(), method))  # ccxt has it
    monkeypatch.setattr(getattr(ccxt.pro, venue), method, said, raising=False)
    permissions = asyncio.run(ask_permissions(Keys.of(venue, KEY, SECRET, PASSWORD)))
    assert permissions == (trade, withdraw)
    if withdraw is None:
        assert "UNKNOWN" in str(permissions)

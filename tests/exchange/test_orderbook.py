from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from naive import PlainFifoBook

from citadel_kit.exchange.orderbook import Match, Order, OrderBook
from citadel_kit.types import Side

SIDES = st.sampled_from([Side.BUY, Side.SELL])
ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("place"), SIDES, st.integers(98, 102), st.integers(1, 20)),
        st.tuples(st.just("cancel"), SIDES, st.integers(0, 50), st.just(0)),
        st.tuples(st.just("take"), SIDES, st.integers(98, 102), st.integers(1, 60)),
    ),
    max_size=120,
)


def seeded() -> tuple[OrderBook, PlainFifoBook, list[Order]]:
    """A book that never runs dry, so that the twin needs no rule for the last order of a side."""
    book, twin = OrderBook(last_id=1000), PlainFifoBook()
    for side, price in ((Side.BUY, 50), (Side.SELL, 150)):
        book.place(side, side * price, 10**6, -1)
        twin.place(side, price, 10**6)
    book.journal = []
    return book, twin, []


def state(book: OrderBook, side: Side) -> dict[int, list[int]]:
    return {abs(key): [order.qty for order in queue] for key, queue in book.half(side).queues.items()}


@settings(derandomize=True, deadline=None)
@given(ACTIONS)
def test_book_equals_its_plain_twin(actions: list[tuple[str, Side, int, int]]) -> None:
    book, twin, orders = seeded()
    for action, side, number, qty in actions:
        if action == "place":
            orders.append(book.place(side, side * number, qty, 0))
            twin.place(side, abs(orders[-1].key), qty)
        elif action == "cancel" and orders:
            index = number % len(orders)
            assert book.cancel(orders[index]) == twin.cancel(index + 2)
        elif action == "take":
            matches = [match for match, _ in book.take(side, qty, -side * number)]
            assert [(match.price, match.qty) for match in matches] == twin.take(side, qty, number)
        for each in (Side.BUY, Side.SELL):
            assert state(book, each) == twin.queues(each)
            half = book.half(each)
            assert half.totals == {key: sum(o.qty for o in queue) for key, queue in half.queues.items()}
            assert half.keys == sorted(half.queues)
        bid, bid_qty, ask, ask_qty = book.top()
        assert bid < ask
        assert bid_qty > 0 and ask_qty > 0


@settings(derandomize=True, deadline=None)
@given(ACTIONS)
def test_journal_replayed_gives_the_book_and_every_change_its_own_id(
    actions: list[tuple[str, Side, int, int]],
) -> None:
    book, _, orders = seeded()
    heard = {True: {50: 10**6}, False: {150: 10**6}}
    for action, side, number, qty in actions:
        if action == "place":
            orders.append(book.place(side, side * number, qty, 0))
        elif action == "cancel" and orders:
            book.cancel(orders[number % len(orders)])
        elif action == "take":
            book.take(side, qty, -side * number)
    for is_bid, price, total in book.journal:
        assert total != heard[is_bid].get(price, 0)
        heard[is_bid][price] = total
    for side in (Side.BUY, Side.SELL):
        levels = {price: total for price, total in heard[side is Side.BUY].items() if total}
        assert levels == {abs(key): total for key, total in book.half(side).totals.items()}
    assert book.last_id == 1002 + len(book.journal)


def test_an_order_that_would_cross_rests_one_unit_short() -> None:
    book, _, _ = seeded()
    assert book.place(Side.BUY, 200, 5, 0).key == 149


def test_last_order_of_a_side_neither_trades_nor_goes() -> None:
    book = OrderBook(last_id=0)
    last = book.place(Side.BUY, 100, 7, 0)
    book.place(Side.SELL, -101, 7, 0)
    assert book.take(Side.SELL, 100, 1) == []
    assert not book.cancel(last)
    first = book.place(Side.BUY, 100, 3, 0)
    assert [match for match, _ in book.take(Side.SELL, 100, 1)] == [Match(100, 7, Side.SELL)]
    assert first.qty == 3

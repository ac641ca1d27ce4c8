"""What may become of a frame: its JSON rewritten, its bytes damaged, or bytes of no grammar at all."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Final

_NUMBERS: Final = """
0 -0 1 -1 0.1 1.0 1. .5 01 +1 - 1e5 1E-7 1e400 -1e-400 1e-08 NaN -Infinity 0x10 1_000 1.2.3 1,5
0.000000000000000000001 10000000000000000000000000
"""
NUMBERS: Final = (
    *_NUMBERS.split(),
    *(str(2**k + d) for k in (31, 32, 53, 62, 63, 64) for d in (-1, 0, 1)),
    *(str(-(2**k)) for k in (31, 53, 62, 63)),
    *("9" * 18, "9" * 19, "9" * 400, "9" * 5000, "0" * 40 + "1", "0." + "0" * 400 + "1", "1." + "0" * 400),
)
"""Bare in the JSON or as a text."""
_TEXTS: Final = r"""
"" "\t1" "-" "\" "\u0031" "\ud800" "\udc00\ud800" "\u0000" "\\" "a\"b" "],[\"" "1","2" "}" "]]"
"٣" "１２" "²" "1²" "é"
"2021-04-17T16:43:37Z" "0000-00-00T00:00:00Z" "9999-12-31T23:59:59.999999999Z"
"buy" "sell" "bid" "offer" "snapshot" "update" "price"
"""
TEXTS: Final = (*_TEXTS.split(), '" "', '"1 "', '" 1"', '"\ud800"', f'"{"A" * 5000}"')
"""As they stand in a frame; some are no JSON."""
_OTHERS: Final = 'true false null [] {} [[]] [{}] {"":{}} [null] ["1","2"] [["1","2"]]'
OTHERS: Final = tuple(_OTHERS.split())
TOKENS: Final = (*(bytes([c]) for c in b'"\\,:[]{} -.e0'), b"\n", b"\x00", b"\xff")


class Leaf(str):
    """What stands in a frame between its brackets and commas, word for word."""

    __slots__ = ()


class Array(list["Node"]):
    __slots__ = ()


class Pairs(list["Node"]):
    """An object as a list of `[name, value]`: a name may come twice."""

    __slots__ = ()


Node = Leaf | Array | Pairs


def parsed(raw: bytes) -> Node | None:
    """None where it is no JSON."""
    try:
        return _node(json.loads(raw, object_pairs_hook=_Object, parse_int=Leaf, parse_float=Leaf))
    except (ValueError, RecursionError):
        return None


class _Object(list[tuple[str, object]]):
    """Told from a list by its class."""


def _node(value: object) -> Node:
    if isinstance(value, _Object):
        return Pairs(Array((Leaf(json.dumps(name)), _node(member))) for name, member in value)
    if isinstance(value, list):
        return Array(_node(member) for member in value)
    return value if isinstance(value, Leaf) else Leaf(json.dumps(value))


def written(node: Node) -> bytes:
    """Any leaf is written as it is, a surrogate as the three bytes that no UTF-8 may hold."""
    parts: list[str] = []
    _write(node, parts)
    return "".join(parts).encode("utf-8", "surrogatepass")


def _write(node: Node, parts: list[str]) -> None:
    if isinstance(node, Leaf):
        parts.append(node)
        return
    parts.append("{" if isinstance(node, Pairs) else "[")
    for k, member in enumerate(node):
        parts.append("," if k else "")
        if isinstance(member, Array) and isinstance(node, Pairs):
            _write(member[0], parts)
            parts.append(":")
            _write(member[1], parts)
        else:
            _write(member, parts)
    parts.append("}" if isinstance(node, Pairs) else "]")


def slots(
    node: Node, found: list[tuple[Array | Pairs, int]] | None = None
) -> list[tuple[Array | Pairs, int]]:
    """Where every value below `node` stands: what holds it, and its index there."""
    found = [] if found is None else found
    if isinstance(node, Leaf):
        return found
    for k, member in enumerate(node):
        holder, index = (member, 1) if isinstance(node, Pairs) else (node, k)
        assert not isinstance(holder, Leaf)
        found.append((holder, index))
        slots(holder[index], found)
    return found


def hostile(rng: random.Random) -> Leaf:
    """A value that no venue should send there."""
    kind = rng.randrange(5)
    if kind < 2:
        return Leaf(rng.choice(NUMBERS))
    if kind == 2:
        return Leaf(f'"{rng.choice(NUMBERS)}"')
    return Leaf(rng.choice(TEXTS if kind == 3 else OTHERS))


def _nested(rng: random.Random) -> Leaf:
    depth = rng.choice((2, 3, 10, 100, 300, 450, 600, 1000, 3000))
    opening, closing = rng.choice((("[", "]"), ('{"a":', "}"), ('[{"data":', "}]")))
    return Leaf(opening * depth + "1" + closing * rng.choice((depth, depth, depth - 1, 0)))


def _retyped(leaf: Node) -> Leaf:
    """A number as a text and a text as what it holds; a list or object as its own text."""
    text = _frozen(leaf)
    if isinstance(leaf, Leaf) and text.startswith('"'):
        return Leaf(text.strip('"') or "null")
    return Leaf(f'"{text}"' if isinstance(leaf, Leaf) else json.dumps(text))


def _another_number(leaf: Node, rng: random.Random) -> Leaf:
    """The same kind of text with one part of its number changed."""
    text = str(leaf) if isinstance(leaf, Leaf) else '"1.5"'
    at = rng.randrange(len(text) + 1)
    piece = rng.choice(("0", "9", "00000000", ".", "-", "e3", " ", "1" * 20, "٣", "\\u0031"))
    return Leaf(text[:at] + piece + text[at + rng.randint(0, 1) :])


def reshaped(raw: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """The frame with one thing in its JSON changed; a frame that is no JSON comes back damaged."""
    node = parsed(raw)
    if node is None or isinstance(node, Leaf):
        return damaged(raw, rng, others)
    places = slots(node)
    if not places:
        return bytes(hostile(rng), "utf-8", "surrogatepass")
    # A book's levels are nearly all there is of it: half of the time the envelope is meant.
    holder, at = rng.choice(places if rng.random() < 0.5 else places[:12])
    old = holder[at]
    kind = rng.randrange(12)
    if kind < 4:
        holder[at] = hostile(rng)
    elif kind == 4:
        holder[at] = _retyped(old)
    elif kind == 5:
        holder[at] = _another_number(old, rng)
    elif kind == 6:
        holder[at] = _nested(rng) if rng.random() < 0.2 else Array([old])
    elif kind == 7:
        there, index = rng.choice(places)
        holder[at], there[index] = _frozen(there[index]), _frozen(old)
    elif kind == 8:
        other = parsed(rng.choice(others))
        pieces = slots(other) if other is not None else []
        holder[at] = rng.choice(pieces)[0][-1] if pieces else hostile(rng)
    else:
        _regroup(old if not isinstance(old, Leaf) and rng.random() < 0.7 else node, rng)
    return written(node)


def _frozen(node: Node) -> Leaf:
    return Leaf(written(node).decode("utf-8", "surrogatepass"))


def _regroup(node: Node, rng: random.Random) -> None:
    """Members dropped, doubled, turned round, renamed, made many."""
    if isinstance(node, Leaf) or not node:
        return
    at = rng.randrange(len(node))
    kind = rng.randrange(5)
    if kind == 0:
        del node[at]
    elif kind == 1:
        node.insert(rng.randrange(len(node) + 1), node[at])
    elif kind == 2:
        rng.shuffle(node)
    elif kind == 4:
        node[at:at] = [node[at]] * rng.choice((1, 2, 10, 100))
    elif isinstance(node, Pairs):
        name = rng.choice((Leaf('"x"'), Leaf(rng.choice(TEXTS)), rng.choice(node)[0]))
        node[at] = Array((Leaf(name), node[at][1]))  # type: ignore[arg-type]
    else:
        node.insert(at, hostile(rng))


def damaged(raw: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """The frame with some bytes flipped, cut, spliced, inserted or repeated."""
    at = rng.randrange(len(raw) + 1)
    end = min(len(raw), at + rng.choice((1, 1, 2, 3, 8, 40)))
    kind = rng.randrange(8)
    if kind == 0 and raw:
        at = min(at, len(raw) - 1)
        return raw[:at] + bytes([raw[at] ^ (1 << rng.randrange(8))]) + raw[at + 1 :]
    if kind == 1:
        return raw[:at]
    if kind == 2:
        return raw[:at] + raw[end:]
    if kind == 3:
        other = rng.choice(others)
        return raw[:at] + other[rng.randrange(len(other) + 1) :]
    if kind == 4:
        return raw[:at] + rng.choice(TOKENS) * rng.choice((1, 1, 1, 2, 50)) + raw[at:]
    if kind == 5:
        return raw[:end] + raw[at:end] * rng.choice((1, 2, 30)) + raw[end:]
    if kind == 6:
        return raw[:at] + rng.choice(NUMBERS).encode() + raw[end:]
    return raw[:at] + rng.randbytes(rng.randint(1, 4)) + raw[end:]


def scrap(rng: random.Random, others: Sequence[bytes]) -> bytes:
    """Bytes that follow no grammar, or scraps of frames in any order."""
    if rng.random() < 0.3:
        return rng.randbytes(rng.randint(0, 200))
    parts = []
    for _ in range(rng.randint(1, 12)):
        other = rng.choice(others)
        at = rng.randrange(len(other) + 1)
        parts.append(rng.choice((rng.choice(TOKENS), other[at : at + rng.randint(1, 30)])))
    return b"".join(parts)


_ACTS: Final[tuple[Callable[[bytes, random.Random, Sequence[bytes]], bytes], ...]] = (
    *(reshaped, reshaped, reshaped, damaged),
)


def mutated(raw: bytes, rng: random.Random, others: Sequence[bytes]) -> bytes:
    """One to four changes of `raw`; `others` are frames of the same wire to take pieces from."""
    if rng.random() < 0.02:
        return scrap(rng, others)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 4))):
        raw = rng.choice(_ACTS)(raw, rng, others)
    return raw[:20_000]

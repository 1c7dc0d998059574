"""Hashes of keys: of any length, the same wherever they are made, and hardly ever the same for two keys."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featurestore.materialize.key_hashes import as_bytes, from_bytes, key_hashes
from featurestore.materialize.vanished import KeysSeen

MASK = 2**64 - 1


def hash_in_words(key):
    """What the module's header says, for one key, in Python's integers."""

    def mixed(h):
        h = (h ^ h >> 30) * 0xBF58476D1CE4E5B9 & MASK
        h = (h ^ h >> 27) * 0x94D049BB133111EB & MASK
        return h ^ h >> 31

    h = mixed(len(key) + 0x9E3779B97F4A7C15 & MASK)
    for place in range(0, max(len(key), 1), 8):
        h = mixed(h ^ int.from_bytes(key[place : place + 8], "little"))
    return h - 2**64 if h >> 63 else h


def hashes_of(*keys):
    return key_hashes(pa.array(keys, pa.large_binary())).tolist()


def distinct(hashes):
    return int(np.count_nonzero(np.diff(np.sort(hashes)))) + 1


def keys_of(entities):
    """Keys as a shop with these customers has them, made without a Python object each."""
    return pc.binary_join_element_wise(b"fs:shop:orders@0:{", entities.cast(pa.string()).cast(pa.binary()), b"}", b"")


@settings(max_examples=400)
@given(
    st.lists(st.binary(max_size=40) | st.sampled_from([b"\x00", b"\x00" * 8, b"\xff" * 17, b"k" * 1000]), max_size=9)
)
def test_a_hash_is_what_the_header_says(keys):
    assert hashes_of(*keys) == [hash_in_words(key) for key in keys]


def test_hashes_are_the_same_for_ever():
    """Written down, since workers elsewhere must come to the same ones."""
    assert hashes_of(b"", b"a", b"fs:shop:orders@0:{123}") == [
        5_197_578_548_964_807_871,
        4_490_210_150_949_542_640,
        -3_869_958_413_400_039_166,
    ]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.string(), pa.large_string()])
def test_any_type_of_text_and_any_slice_of_it_has_the_same_hashes(kind):
    texts = ["", "a", "", "eight by", "nine byte", "x" * 100, "ß" * 20, ""] * 3
    expected = [hash_in_words(text.encode()) for text in texts]
    array = pa.array(texts, kind)
    for first in range(len(texts) + 1):
        for last in range(first, len(texts) + 1):
            assert key_hashes(array[first:last]).tolist() == expected[first:last]


def test_no_keys_have_no_hashes():
    assert hashes_of() == []
    assert key_hashes(pa.array([b"a"], pa.large_binary())[:0]).tolist() == []
    assert from_bytes(as_bytes(key_hashes(pa.array([], pa.large_binary())))).tolist() == []


@pytest.mark.parametrize("rows", [1, 4095, 4096, 4097, 9000])
def test_many_keys_have_the_hashes_that_each_has_alone(rows):
    """They are made in blocks."""
    keys = [b"fs:shop:orders@0:{%d}" % (number**3) for number in range(rows)]
    assert hashes_of(*keys) == [hash_in_words(key) for key in keys]


def test_another_process_comes_to_the_same_hashes():
    """Python's own `hash` does not."""
    keys = [b"fs:shop:orders@0:{%d}" % number for number in (1, 22, 333, 10**18)]
    code = (
        "import pyarrow as pa; from featurestore.materialize.key_hashes import as_bytes, key_hashes;"
        f"print(as_bytes(key_hashes(pa.array({keys!r}, pa.large_binary()))).hex())"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert from_bytes(bytes.fromhex(said.strip())).tolist() == hashes_of(*keys)


@pytest.mark.parametrize(
    "entities",
    [
        pa.array(range(3_000_000)),
        pc.multiply(pa.array(range(3_000_000)), 2**40),
        pc.multiply(pa.array(range(3_000_000)), 10_000_000_000),
    ],
    ids=["1, 2, 3", "far apart", "many zeros"],
)
def test_three_million_keys_have_three_million_hashes(entities):
    hashes = key_hashes(keys_of(entities))
    assert distinct(hashes) == 3_000_000
    for low in (hashes & 0xFFFF, hashes >> 48):  # each end of them is as good as drawn
        found = np.bincount(low - low.min(), minlength=2**16)
        assert len(found) == 2**16
        assert abs(float(np.var(found)) / (3_000_000 / 2**16) - 1) < 0.05


def test_keys_of_two_values_in_either_order_have_hashes_of_their_own():
    numbers = np.arange(1_000_000)
    left, right = pa.array(numbers // 1000).cast(pa.string()), pa.array(numbers % 1000).cast(pa.string())
    keys = pc.binary_join_element_wise("fs:shop:pairs@0:{", pc.binary_join_element_wise(left, right, "|"), "}", "")
    assert distinct(key_hashes(keys)) == 1_000_000


def test_a_byte_that_is_changed_moved_added_or_left_out_changes_the_hash():
    key = bytes(range(60, 60 + 29))
    near = {key, *(key[:size] for size in range(29)), *(key + b"\x00" * size for size in range(1, 20))}
    for place in range(29):
        near |= {key[:place] + bytes([byte]) + key[place + 1 :] for byte in range(256)}
        near |= {key[:place] + key[other:] + key[place:other] for other in range(place, 29)}
        near |= {key[:place] + key[place + 1 :], key[:place] + b"\x00" + key[place:]}
    assert len(near) > 7000
    assert len(set(hashes_of(*near))) == len(near)


def test_high_bits_of_two_words_do_not_cancel_out():
    """As they would in a sum of products, or where a step is only a product and a shift."""
    bits = [1 << bit for bit in range(64)]
    words = {(a, b) for a in [0, *bits, *(1 << 63 | bit for bit in bits)] for b in [0, *bits]}
    words |= {(a, 1 << 63 | bit) for a in (0, 1 << 63) for bit in bits}
    keys = [a.to_bytes(8, "little") + b.to_bytes(8, "little") for a, b in words]
    assert len(set(hashes_of(*keys))) == len(keys)


def test_a_changed_bit_changes_half_of_the_others():
    key = b"fs:shop:orders@0:{12345678901}"
    (before,) = hashes_of(key)
    changed = [bytes([*key[:at], key[at] ^ 1 << bit, *key[at + 1 :]]) for at in range(len(key)) for bit in range(8)]
    flips = [((after ^ before) & MASK).bit_count() for after in hashes_of(*changed)]
    assert 30 < sum(flips) / len(flips) < 34
    assert min(flips) >= 12


def test_keys_seen_hold_eight_bytes_each_and_give_them_in_order():
    seen = KeysSeen()
    assert seen.sort().tolist() == []
    keys = [b"%d" % number for number in range(100_000)]
    seen.add(pa.array(keys[:50_000], pa.large_binary()))
    seen.add_hashes(from_bytes(as_bytes(key_hashes(pa.array(keys[50_000:])))))
    seen.add(pa.array([], pa.large_binary()))
    assert len(seen) == 100_000
    assert seen.sort().tolist() == sorted(hashes_of(*keys))
    assert seen._hashes.itemsize * len(seen) <= 8 * 100_000

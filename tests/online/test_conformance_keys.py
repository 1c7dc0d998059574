"""What every online store says about its keys and sizes, on each of them; neighbours are never among them."""

from __future__ import annotations

import time
from hashlib import sha256

import pytest

from featurestore.online.protocol import NO_CREATED_TIME
from tests.online.rows import batch, key, value

NONE = NO_CREATED_TIME
PREFIXES = [
    b"fs:shop:orders@0:{",
    b"fs:shop:orders@0+1:{",
    b"fs:shop:orders@0+10:{",
    b"fs:shop:orders@01:{",
    b"fs:shop:orders2@0:{",
    b"fs:shop:Orders@0:{",
    b"fs:shop:order*@0:{",
    b"fs:shop:order?@0:{",
    b"fs:shop:order[s]@0:{",
    b"fs:shop:order\\@0:{",
    b"fs:shop:order^s]@0:{",
    b"fs:shop:\xff@0:{",
    b"fs:shop:\xff\xff@0:{",
    b"fs:shop:_orders@0:{",
    "fs:shop:заказы@0:{".encode(),
]
ENTITIES = [b"}", b"1}", b"*}", b"?[a-z]}", b"1|2}", b"\xff\xff}"]


def keys_in(store, prefix):
    pages = list(store.keys(prefix))
    assert all(pages), "no page is empty"
    return sorted({each for page in pages for each in page})


def rows_of(keys):
    return batch(*[(each, 1, 1, NONE) for each in keys])


@pytest.fixture
def crowded(store, open_again):
    """A store with six entities in each of many sets whose names resemble each other, and in another project."""
    store.write(rows_of([prefix + entity for prefix in PREFIXES for entity in ENTITIES]))
    store.write_note("view:orders@0", b"1")
    store.take_lease("view:orders@0", "me", 60)
    open_again("shop2").write(rows_of([b"fs:shop2:orders@0:{" + entity for entity in ENTITIES]))
    open_again("sho").write(rows_of([b"fs:sho:orders@0:{" + entity for entity in ENTITIES]))
    return store


def test_the_keys_of_a_set_are_its_own(crowded):
    for prefix in PREFIXES:
        assert keys_in(crowded, prefix) == sorted(prefix + entity for entity in ENTITIES), prefix


@pytest.mark.parametrize(
    ("prefix", "sets"),
    [
        (b"fs:shop:orders@", PREFIXES[:4]),
        (b"fs:shop:orders@0", PREFIXES[:4]),
        (b"fs:shop:orders@0+", PREFIXES[1:3]),
        (b"fs:shop:order*", PREFIXES[6:7]),
        (b"fs:shop:order[", PREFIXES[8:9]),
        (b"fs:shop:\xff", PREFIXES[11:13]),
        (b"fs:shop:\xff\xff", PREFIXES[12:13]),
        (b"fs:shop:nothing@", []),
        (b"fs:shop:", PREFIXES),
    ],
)
def test_a_shorter_prefix_names_several_sets_and_never_a_note(crowded, prefix, sets):
    assert keys_in(crowded, prefix) == sorted(each + entity for each in sets for entity in ENTITIES)


@pytest.mark.parametrize(
    ("rest", "entities"),
    [(b"1", [b"1}", b"1|2}"]), (b"*", [b"*}"]), (b"?[", [b"?[a-z]}"]), (b"\xff", [b"\xff\xff}"]), (b"2", [])],
)
def test_a_longer_prefix_names_some_entities(crowded, rest, entities):
    assert keys_in(crowded, PREFIXES[0] + rest) == sorted(PREFIXES[0] + entity for entity in entities)


def test_other_projects_are_other_stores(crowded, open_again):
    assert keys_in(open_again("shop2"), b"fs:shop2:") == sorted(b"fs:shop2:orders@0:{" + each for each in ENTITIES)
    assert keys_in(open_again("sho"), b"fs:sho:") == sorted(b"fs:sho:orders@0:{" + each for each in ENTITIES)


def test_a_store_without_rows_has_no_keys(store):
    assert list(store.keys(b"fs:shop:")) == []
    assert store.sizes([key(1), key(2)]) == [0, 0]
    assert store.delete([key(1)]) == 0


def test_many_keys_come_in_pages_and_can_be_deleted_page_by_page(store, pace):
    count = 5 * pace.rows
    store.write(rows_of(map(key, range(count))), expect_new=True)
    neighbour = b"fs:shop:orders@0+1:{1}"
    store.write(rows_of([neighbour]))
    assert keys_in(store, b"fs:shop:orders@0:{") == sorted(map(key, range(count)))
    assert sum(store.delete(page) for page in store.keys(b"fs:shop:orders@0:{")) == count
    assert keys_in(store, b"fs:shop:orders@0:{") == []
    assert keys_in(store, neighbour) == [neighbour]


def test_an_expired_row_has_no_key_and_no_size(store):
    now_ms = time.time_ns() // 1_000_000
    store.write(batch((key(1), 1, 1, NONE), (key(2), 1, 1, NONE), expires_ms=[1, now_ms + 60_000]))
    assert keys_in(store, b"fs:shop:orders@0:{") == [key(2)]
    sizes = store.sizes([key(1), key(2)])
    assert sizes[0] == 0
    assert sizes[1] > 0


def test_sizes_are_in_the_order_of_the_keys_and_grow_with_the_row(store):
    long = b"fs:shop:orders@0:{%b}" % (b"x" * 500)
    store.write(batch((key(1), 1, 1, NONE), (long, 1, 1, NONE)))
    sizes = store.sizes([long, key(3), key(1), long])
    assert sizes[1] == 0
    assert sizes[0] == sizes[3] >= sizes[2] + 400
    assert sizes[2] >= len(key(1)) + len(value(1, 1))


def test_what_a_row_is_said_to_take_is_near_what_it_takes(store, pace):
    """`overhead_bytes` is what a dry run estimates by."""
    count = pace.rows
    far_ms = time.time_ns() // 1_000_000 + 3_600_000
    store.write(rows_of(map(key, range(count))), expect_new=True)
    kept = sum(store.sizes(list(map(key, range(count))))) / count
    said = len(key(count)) + len(value(1, 1)) + store.overhead_bytes(expiring=False)
    assert 0.6 * said <= kept <= 1.4 * said
    store.write(batch(*[(key(each), 1, 2, NONE) for each in range(count)], expires_ms=[far_ms] * count))
    kept = sum(store.sizes(list(map(key, range(count))))) / count
    said = len(key(count)) + len(value(1, 1)) + store.overhead_bytes(expiring=True)
    assert 0.6 * said <= kept <= 1.4 * said


def test_the_rows_of_a_long_key_are_found_listed_measured_and_deleted(store):
    """Join keys may be URLs."""
    path = "".join(sha256(b"%d" % part).hexdigest() for part in range(20)).encode()
    long = [b"fs:shop:orders@0:{https://example.com/%b%d}" % (path, number) for number in range(3)]
    assert store.write(rows_of(long)) == 3
    assert all(store.read(long))
    assert keys_in(store, b"fs:shop:orders@0:{https") == long
    assert keys_in(store, long[0][:-3]) == long
    assert all(size > 1_200 for size in store.sizes(long))
    assert store.delete(long) == 3

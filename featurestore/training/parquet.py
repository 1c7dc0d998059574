"""Parquet, written from a stream of rows and read back as one; a file carries the card of its training set inside."""

from __future__ import annotations

from contextlib import closing
from typing import IO, TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from featurestore.errors import OperationError
from featurestore.training.card import encode_card
from featurestore.training.measure import Meter, completed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from featurestore.storage.places import Place
    from featurestore.training.card import Card

CARD_KEY = "featurestore.card"
"""Where the card is in a file's own metadata."""

_BATCH_ROWS = 65_536


def write_parquet(place: Place, run: Callable[[], pa.RecordBatchReader], card: Card) -> Card:
    """Write all rows and their card; what was there is replaced only when both are complete.

    Args:
        place: of the file.
        run: gives the rows; called when the place has been opened, so that what cannot be written costs no query.
        card: what is known of them; completed here.

    Returns:
        The card as written.

    Raises:
        OperationError: the folder is missing or not writable, the disk is full, or Parquet lacks a column's type.
        ObjectStoreError: the bucket cannot be written.
    """
    made: list[Card] = []

    def fill(stream: IO[bytes]) -> bytes:
        rows = run()
        meter = Meter.of(rows.schema, card)
        with pq.ParquetWriter(stream, rows.schema, compression="zstd") as writer:
            for batch in meter.watch(rows):
                writer.write_batch(batch)
            made.append(completed(card, meter.measured))
            encoded = encode_card(made[0])
            writer.add_key_value_metadata({CARD_KEY: encoded.decode()})
        return encoded

    try:
        place.write(fill)
    except pa.ArrowNotImplementedError as error:
        raise OperationError(
            f"cannot write {place.name}: {error}",
            hint="cast the column where the spine or the view is made, or leave it out",
        ) from error
    return made[0]


def read_parquet(place: Place, use: Callable[[pa.RecordBatchReader], None]) -> None:
    """Hand a file's rows, or those of a folder's files, to `use`.

    Raises:
        OperationError: nothing is there, or it is no Parquet file, or the files have different columns.
    """
    names = place.files()
    if not names:
        raise OperationError(f"no training set at {place.name}", hint="was it moved? its card stays beside it")
    schema = None

    def batches() -> Iterator[pa.RecordBatch]:
        for name in names:
            with closing(place.open(name)) as stream, pq.ParquetFile(stream) as found:
                yield from found.iter_batches(_BATCH_ROWS)

    try:
        with closing(place.open(names[0])) as stream:
            schema = pq.read_schema(stream)
        use(pa.RecordBatchReader.from_batches(schema, batches()))
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise OperationError(f"cannot read {place.name}: {error}", hint="is it whole, and Parquet?") from error


def card_inside(place: Place) -> bytes | None:
    """The card that a Parquet file carries; None if it carries none."""
    names = place.files()
    if len(names) != 1:
        return None
    try:
        with closing(place.open(names[0])) as stream:
            metadata = pq.read_metadata(stream).metadata or {}
    except pa.ArrowInvalid:
        return None
    return metadata.get(CARD_KEY.encode())

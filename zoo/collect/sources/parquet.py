"""Parquet, of which only the columns that are needed are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.extras import require
from zoo.collect.addresses import Address
from zoo.collect.sources.columns import resolve
from zoo.collect.sources.jsonl import scalar
from zoo.collect.sources.options import Options
from zoo.collect.sources.rows import List
from zoo.collect.sources.values import shown

BATCH = 1000  # rows
BUFFER = 1 << 20  # bytes of a column that are read at a time


def open_parquet(path: Path, options: Options) -> List:
    return List(path, partial(_rows, path, options.columns))


def _rows(path: Path, columns: Mapping[str, str], start: int) -> Iterator[tuple[int, Address | None]]:
    arrow, parquet = require(f"{path}: Parquet", "parquet", "pyarrow", "pyarrow.parquet")
    try:
        with parquet.ParquetFile(path, buffer_size=BUFFER) as file:
            yield from _read(path, file, resolve(path, file.schema_arrow.names, columns), start)
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise ZooError(f"{path}: not Parquet, or damaged: {shown(error)}") from None


def _read(path: Path, file: Any, fields: Mapping[str, str], start: int) -> Iterator[tuple[int, Address | None]]:
    groups = list(range(file.num_row_groups))
    number = 0
    while groups and number + (size := file.metadata.row_group(groups[0]).num_rows) <= start:
        number += size
        groups.pop(0)
    if not groups:
        return
    for batch in file.iter_batches(BATCH, row_groups=groups, columns=list(dict.fromkeys(fields.values()))):
        names = batch.schema.names
        values = {field: batch.column(names.index(name)).to_pylist() for field, name in fields.items()}
        for row in range(batch.num_rows):
            number += 1
            if number > start:
                where = f"{path}: row {number}"
                texts = {field: _text(values[field][row], where, field, name) for field, name in fields.items()}
                url = texts.pop("url")
                yield number, None if url is None else Address(url, **texts)


def _text(value: Any, where: str, field: str, name: str) -> str | None:
    """Text; some writers keep it as bytes."""
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            raise ZooError(f"{where}: {name!r} is no text in UTF-8; --column {field}=NAME takes another") from None
    return scalar(value, where, field, name)

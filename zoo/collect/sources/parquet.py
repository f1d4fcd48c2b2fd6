"""Parquet; only the needed columns are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from zoo.base.errors import ZooError
from zoo.base.extras import require
from zoo.collect.sources.columns import resolve, scalar
from zoo.collect.sources.rows import Row
from zoo.collect.sources.values import shown

BATCH = 1000  # rows
BUFFER = 1 << 20  # bytes of a column that are read at a time


def rows(path: Path, columns: Mapping[str, str]) -> Iterator[Row]:
    arrow, parquet = require(f"{path}: Parquet", "parquet", "pyarrow", "pyarrow.parquet")
    try:
        with parquet.ParquetFile(path, buffer_size=BUFFER) as file:
            yield from _read(path, file, resolve(path, file.schema_arrow.names, columns))
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise ZooError(f"{path}: not Parquet, or damaged: {shown(error)}") from None


def _read(path: Path, file: Any, fields: Mapping[str, str]) -> Iterator[Row]:
    number = 0
    for batch in file.iter_batches(BATCH, columns=list(dict.fromkeys(fields.values()))):
        for values in batch.to_pylist():
            number += 1
            where = f"{path}: row {number}"
            yield {field: _text(values[name], where, field, name) for field, name in fields.items()}


def _text(value: Any, where: str, field: str, name: str) -> str | None:
    """A value as text; some writers store text as bytes."""
    if isinstance(value, bytes):
        try:
            value = value.decode("utf-8")
        except UnicodeDecodeError:
            raise ZooError(f"{where}: {name!r} is not text in UTF-8; choose another by --column {field}=NAME") from None
    return scalar(value, where, field, name)

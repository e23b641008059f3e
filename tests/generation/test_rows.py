"""Rows of a campaign's matrix from files."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from generation.rows import read_rows
from transforms.settings import ConfigError


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_is_read_with_its_lines_whatever_separates_it(tmp_path, delimiter):
    path = tmp_path / "cells.csv"
    lines = ["product|language|headline", "flask|de|„Warm“", "", 'cup|ar|"a\nb"', "cup|en|"]
    path.write_text("\ufeff" + "\n".join(lines).replace("|", delimiter) + "\n", "utf-8")
    assert read_rows(str(path)) == [
        (2, {"product": "flask", "language": "de", "headline": "„Warm“"}),
        (4, {"product": "cup", "language": "ar", "headline": "a\nb"}),
        (6, {"product": "cup", "language": "en", "headline": ""}),
    ]


def test_parquet_gives_the_same_as_text(tmp_path):
    path = tmp_path / "cells.parquet"
    pq.write_table(pa.table({"product": ["flask", None], "samples": [2, 3], "share": [1.0, 1.5]}), path)
    assert read_rows(str(path)) == [
        (1, {"product": "flask", "samples": "2", "share": "1"}),
        (2, {"product": "", "samples": "3", "share": "1.5"}),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"a,b\n1\n", "cells.csv:2: 1 cells, but 2 columns"),
        (b"a,b\n1,2\n\n1,2,3\n", "cells.csv:4: 3 cells, but 2 columns"),
        (b"a,a\n1,2\n", "cells.csv:1: column 'a' stands twice"),
        (b"a,\n1,2\n", "cells.csv:1: a column has no name"),
        (b"a,b\n", "it has no rows"),
        (b"", "cells.csv:1: a column has no name"),
        (b"a,b\n1,2\n\xff,3\n", "cells.csv:3: letters that are no UTF-8"),
        (b'a,b\n1,"2\n', "cells.csv:"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path, text, told):
    (tmp_path / "cells.csv").write_bytes(text)
    with pytest.raises(ConfigError, match=told):
        read_rows(str(tmp_path / "cells.csv"), "cells.csv")


def test_a_file_that_is_not_there_or_is_no_parquet_is_told(tmp_path):
    with pytest.raises(ConfigError, match=r"nothing\.csv"):
        read_rows(str(tmp_path / "nothing.csv"))
    (tmp_path / "x.parquet").write_bytes(b"no")
    with pytest.raises(ConfigError, match="it is no Parquet"):
        read_rows(str(tmp_path / "x.parquet"))
    pq.write_table(pa.table({"a": [[1]]}), tmp_path / "lists.parquet")
    with pytest.raises(ConfigError, match="rows are plain texts"):
        read_rows(str(tmp_path / "lists.parquet"))

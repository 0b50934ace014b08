"""Tables for other programs."""

from __future__ import annotations

import csv
from pathlib import Path

import duckdb
import pytest
from rich.console import Console

from mmbot.cli import output
from mmbot.cli.tables import writer_for
from mmbot.errors import BadInput
from mmbot.observe.sheets import Sheet

COLUMNS = ("quoting.margin", 'odd "name"', "fills", "pnl", "low95")
ROWS = [(0.05, "[0.1, 0.2]", 3, 1, None), (0.1, "both", 0, -2.5, None)]


def write(path: Path) -> None:
    writer_for(path, "--output")(path, COLUMNS, ROWS)


def test_a_file_named_csv_is_written_as_csv(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    write(path)
    with path.open(newline="", encoding="utf-8") as file:
        assert list(csv.reader(file)) == [
            list(COLUMNS),
            ["0.05", "[0.1, 0.2]", "3", "1", ""],
            ["0.1", "both", "0", "-2.5", ""],
        ]


def test_a_file_named_parquet_is_written_as_parquet(tmp_path: Path) -> None:
    path = tmp_path / "it's.parquet"
    write(path)
    assert path.read_bytes().startswith(b"PAR1")
    read = duckdb.read_parquet(str(path))
    assert tuple(read.columns) == COLUMNS
    assert [str(kind) for kind in read.types] == [
        "DOUBLE",
        "VARCHAR",
        "BIGINT",
        "DOUBLE",
        "VARCHAR",
    ]
    assert sorted(read.fetchall()) == sorted(ROWS)


def test_an_empty_table_is_parquet_too(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    writer_for(path, "--output")(path, COLUMNS, [])
    assert duckdb.read_parquet(str(path)).fetchall() == []


def test_an_unknown_suffix_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"ends in \.csv or \.parquet"):
        writer_for(tmp_path / "x.xlsx", "--output")


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, suffix: str) -> None:
    if suffix == "parquet":
        pytest.importorskip("duckdb")
    with pytest.raises(BadInput, match="cannot be written"):
        write(tmp_path / f"nowhere/x.{suffix}")


def test_a_sheet_is_shown_whole_and_the_pnl_of_a_market_in_eighty_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    columns = ("market", "fills", "contracts", "fees", "P&L", "each", "95 %", "claimed", "realised")
    row = ("26NOV29-A2.25", "2181", "16200.24", "0.00", "+388.44", "+0.240", "0.123", *columns[-2:])
    sheets = [
        Sheet("P&L by market", columns, (row,), "A note."),
        Sheet("Wider", ("one",), (("figures" * 40,),)),
    ]
    paper = Console(force_terminal=True, color_system=None)
    for sheet in sheets:
        output.put(paper, sheet)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == " ".join(columns).split()
    assert lines[3].split() == [*row]
    assert lines[4] == "A note."
    assert max(map(len, lines[:5])) <= 80
    assert "figures" * 40 in lines


def test_figures_are_shown_whole_however_narrow_the_terminal_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    wide = [f"heading-{number}" * 2 for number in range(10)]
    table = output.figures(wide, "KXTSAW-26APR19")
    table.add_row(*wide)
    output.print_whole(output.console(), table)
    title, headings, _, row = capsys.readouterr().out.splitlines()
    assert title.strip() == "KXTSAW-26APR19"
    assert headings.split() == row.split() == wide

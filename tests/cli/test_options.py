"""Counts with a day that is missing are used, and that is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmbot.cli.options import load_counts


def test_days_that_are_missing_inside_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "counts.csv"
    path.write_text("date,as_published\n2026-04-13,2500000\n2026-04-15,2500000\n")
    assert len(load_counts(path)) == 2
    told = capsys.readouterr().err
    assert f"{path} has no count of 1 days between its first and its last (2026-04-14)" in told
    path.write_text("date,as_published\n2026-04-13,2500000\n2026-04-14,2500000\n")
    load_counts(path)
    assert capsys.readouterr().err == ""

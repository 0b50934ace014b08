"""Judging strategies on real weeks: backtests, sweeps and reports."""

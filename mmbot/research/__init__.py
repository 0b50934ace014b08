"""Measurements on past data: backtest, scores, strategies, benchmarks."""

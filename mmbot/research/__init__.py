"""Measuring on past data: scores, strategies, speed."""

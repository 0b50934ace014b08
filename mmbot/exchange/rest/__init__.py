"""The exchange's REST API: a table of routes over small functions."""

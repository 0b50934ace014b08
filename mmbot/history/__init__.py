"""The market's past: fetch it, keep it as Parquet, read it again in the order of time.

`store.HistoryStore` is the way in for readers; `docs/history.md` describes the files.
"""

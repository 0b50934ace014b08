"""The market's past: fetched, stored as Parquet, and read again in the order of time.

Readers use `store.HistoryStore`; `docs/history.md` describes the files.
"""

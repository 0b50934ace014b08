"""The trading process: sockets, timers, signals, ledger and capture. It decides nothing."""

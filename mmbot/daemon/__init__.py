"""The shell that trades: it moves bytes, keeps time and remembers, and decides nothing."""

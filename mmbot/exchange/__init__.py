"""A simulated exchange: Kalshi's API on its own matching engine, with a crowd that trades."""

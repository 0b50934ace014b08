"""A simulated exchange: Kalshi's API over a matching engine of its own, and a crowd that trades."""

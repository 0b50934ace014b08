"""One week on the simulated exchange, played by the real daemon in about a minute."""

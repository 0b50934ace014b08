"""The bot, sans I/O: counts, beliefs, feed, engine and gateway together, and their driver."""

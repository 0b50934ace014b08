"""The trading decisions, pure: an event in, commands out; no I/O, no clock, no randomness."""

"""The decisions: pure. An event in, commands out; no I/O, no clock, no randomness."""

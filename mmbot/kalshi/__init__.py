"""The exchange's protocol, sans I/O: bytes and times in, values out, and the reverse."""

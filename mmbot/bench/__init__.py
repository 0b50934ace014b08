"""Measurements that need sockets and processes; see `docs/performance.md`."""

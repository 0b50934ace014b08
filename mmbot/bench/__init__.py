"""What only sockets and processes can measure; see `docs/performance.md`."""

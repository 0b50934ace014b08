"""Paper trading: orders stay inside and fill only when the real market trades through them."""

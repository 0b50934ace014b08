"""A market maker for Kalshi's weekly TSA passenger markets."""

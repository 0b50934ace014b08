"""The underlyings that can be traded: their registry, and those that are a single module."""

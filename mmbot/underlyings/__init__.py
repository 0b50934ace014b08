"""The underlyings that can be traded: which are known, and those that are one module each."""

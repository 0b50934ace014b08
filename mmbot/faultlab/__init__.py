"""Simulated weeks in virtual time with injected faults, and an auditor of the invariants."""

"""Weeks in virtual time with injected faults, and an auditor that checks the invariants."""

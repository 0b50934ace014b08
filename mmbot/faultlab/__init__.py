"""Weeks in virtual time in which everything breaks, and an auditor that says what must hold."""

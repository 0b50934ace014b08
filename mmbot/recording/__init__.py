"""Recording what a bot is given and asks for, and giving it again to another; no I/O."""

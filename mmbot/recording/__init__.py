"""Records of a bot's inputs and outputs, and their replay into another bot; no I/O."""

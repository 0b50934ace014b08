"""From daily counts to a belief about a week's average."""

"""What people see of the bot: log, status, explanations, plans and reports."""

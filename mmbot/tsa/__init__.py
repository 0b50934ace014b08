"""What is being predicted: TSA's daily checkpoint counts, their weeks and their releases."""

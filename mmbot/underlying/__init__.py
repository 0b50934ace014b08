"""What is predicted: daily counts, their weeks and vintages, and what tells one statistic apart."""

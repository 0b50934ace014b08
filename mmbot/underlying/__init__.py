"""What is predicted: daily counts, their weeks and vintages, and how the statistics differ."""

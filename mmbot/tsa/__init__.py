"""TSA's daily checkpoint counts: their releases, their pages, and synthetic ones."""

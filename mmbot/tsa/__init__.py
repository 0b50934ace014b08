"""TSA's daily checkpoint counts: their releases, their pages, and how they are made up."""

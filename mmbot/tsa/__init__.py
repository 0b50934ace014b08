"""TSA's daily checkpoint counts: their weeks, releases, vintages and pages."""

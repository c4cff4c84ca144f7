"""Studies: evaluations of many cells become a table, a page, and a verdict for each finding."""

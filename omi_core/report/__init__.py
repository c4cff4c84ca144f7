"""What runs have done, read from their directories: a row per run to compare, and a page of charts.

Nothing here writes to a run, and every stage of a run can be looked at, also while it works.
"""

"""Training a student on a dataset: its settings, its rows as tokens, checkpoints, and what comes of it."""

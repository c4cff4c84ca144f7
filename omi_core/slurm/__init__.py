"""Slurm: its commands, what it allows a user, and what has become of a run's jobs."""

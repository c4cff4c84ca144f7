"""Pipelines: steps in order, each a run or another command, made from a recipe and resumable as a whole.

`recipe` reads what is to be done, `definition` holds it with every option and keeps it on disk, `steps` knows
the commands, and `step_progress` tells how far a pipeline has come.
"""

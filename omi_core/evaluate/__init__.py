"""What graded samples of benchmarks come to: figures with error bars, comparisons, files.

An *evaluation* is a run against benchmarks: a teacher answers every problem `samples` times, every answer is
graded, and the figures are made of the verdicts. Nothing is published.
"""

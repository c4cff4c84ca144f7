"""Pipelines: steps in order, each a run or another command, made from a recipe and resumable as a whole.

`recipe` reads what is to be done, `plan` holds it with every option and keeps it on disk, `progress` tells
how far it has come. Which commands there are, and how their options are composed, is the business of `jobs`.
"""

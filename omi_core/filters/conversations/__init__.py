"""The heuristic filter of conversations: one small class per criterion, each with its own count.

A candidate's `problem` is the chunk, its `solution` the conversation made from it.
"""

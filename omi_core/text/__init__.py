"""Texts as such: their words, their tokens, and where their formulas begin and end."""

"""Data for reward models: right and wrong responses of several runs to one problem, drawn by score."""

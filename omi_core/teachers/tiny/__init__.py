"""Two small trained teachers, shipped in the package, and the closed world they know.

`path` gives the checkpoint directory that vLLM loads like any other model. The world (`world`), the
training (`train`) and the measuring (`evaluate`) are modules of their own; MODEL_CARD.md has the figures.
"""

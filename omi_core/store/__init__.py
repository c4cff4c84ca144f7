"""Everything a run keeps on disk: its plan, its journals and who may write them."""

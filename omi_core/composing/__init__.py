"""From words to a config: the grammar of command lines, Hydra's composition, and its errors in one line."""

"""How the embedded teachers were made: run from a clone, and no part of the installed package."""

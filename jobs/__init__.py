"""Commands: `python -m jobs.<command>`. Each parses its config, calls omi_core and prints."""

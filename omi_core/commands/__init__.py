"""The shell around the commands: their options, help, errors, exit codes, and what they print."""

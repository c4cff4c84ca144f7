"""What a job of a chain runs: `python -m jobs._task RUN STAGE …`, see `omi_core.commands.job`."""

import sys

from omi_core.commands.job import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m ppcls COMMAND`: the same as `ppcls COMMAND`."""

import sys

from ppcls.cli import main

if __name__ == "__main__":
    sys.exit(main())

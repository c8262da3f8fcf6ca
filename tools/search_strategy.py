"""`python tools/search_strategy.py -c FILE [-o KEY=VALUE ...]`: see --help."""

import sys
from pathlib import Path

# So that it works in a checkout that is not installed.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from ppcls.cli import main

if __name__ == "__main__":
    sys.exit(main(command="sweep"))

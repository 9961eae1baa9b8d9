"""`python -m benches.python`."""

import sys

from benches.python.cli import main

sys.exit(main(hangs_after_s=240))

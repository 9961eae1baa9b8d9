"""`python -m ropewalk` is the command `ropewalk`."""

import sys

from ropewalk._cli import main

sys.exit(main())

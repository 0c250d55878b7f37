"""``python -m ttgen``: the command line, where its script is not on the path."""

import sys

from ttgen.cli import main

sys.exit(main())

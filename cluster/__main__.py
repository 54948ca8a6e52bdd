"""`python -m cluster` is `imitate`."""

import sys

from cluster.cli import main

sys.exit(main())

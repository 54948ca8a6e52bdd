"""`python -m cluster` is `imitate`."""

import sys

from cluster.cli.main import main

sys.exit(main())

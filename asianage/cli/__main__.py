"""`python -m asianage.cli`."""

import sys

from asianage.cli import main

sys.exit(main())

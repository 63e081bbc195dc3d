"""`python -m asianage.cli`, the same as `python -m asianage`."""

import sys

from asianage.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""python -m spindle"""

import sys

from spindle.app.cli import main

sys.exit(main())

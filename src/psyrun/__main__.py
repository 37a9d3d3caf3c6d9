"""``python -m psyrun`` is ``psy``."""

import sys

from psyrun.cli import psy_main

sys.exit(psy_main())

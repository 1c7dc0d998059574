"""``python -m featurestore.cli`` is ``featurestore``."""

import sys

from featurestore.cli.entry import main

sys.exit(main())

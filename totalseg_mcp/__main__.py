"""`python -m totalseg_mcp`."""

import sys

from totalseg_mcp.server.cli import main

sys.exit(main())

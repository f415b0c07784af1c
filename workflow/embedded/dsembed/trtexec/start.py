"""The first module of trtexec."""

import os
import sys

from dsembed.shared.entry import load_main

FAILURE = 1
INTERRUPTED = 130

if __name__ == "__main__":
    try:
        sys.exit(
            load_main("trtexec.program", FAILURE)(sys.argv[1:], os.environ.get("DSEMBED_PROGRAM", "trtexec"))
        )
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)

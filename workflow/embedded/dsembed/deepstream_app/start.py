"""The first module of deepstream-app: answers SIGINT and a vanished reader from the start on."""

import os
import signal
import sys

from dsembed.deepstream_app.main_loop import Interrupted, MainLoop
from dsembed.shared.entry import load_main

FAILURE = 255


def start(arguments: list[str]) -> int:
    """Run deepstream-app and return its exit status."""
    loop = MainLoop()
    # As in deepstream-app, a SIGINT while the pipeline is made ends it as soon as the main loop runs.
    signal.signal(signal.SIGINT, lambda *_: loop.post(Interrupted()))
    try:
        return load_main("deepstream_app.program", FAILURE)(arguments, loop)
    except BrokenPipeError:
        # Nobody reads; Python would write what is left once more while it ends, and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))

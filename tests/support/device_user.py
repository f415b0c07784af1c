"""A process that takes a device's lock, says so, and keeps it until its input closes; as another user if told to."""

import os
import sys
from pathlib import Path

LIBRARY = Path(__file__).parents[2] / "workflow/scripts"


def main() -> None:
    """Take the lock of the device and folder in the arguments, as the user id in the third."""
    # The user may not reach the project's folder, so everything is loaded before.
    sys.path.insert(0, str(LIBRARY))
    from dsbench.core.locks import DeviceLock

    device, directory, *user = sys.argv[1:]
    if user:
        os.environ["USER"] = os.environ["LOGNAME"] = "nobody"
        os.setgid(int(user[0]))
        os.setuid(int(user[0]))
    lock = DeviceLock(device, Path(directory))
    print(
        "mine" if lock.take("/jobs/of/nobody.log") else f"held by {lock.holder and lock.holder.user}",
        flush=True,
    )
    dead = getattr(lock.dead, "user", None)
    print(f"after {dead}", flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()

"""Calls of Snakemake that are forked from a process that has loaded it: loading takes half of a dry run's time.

As a program it is that process: each line of its input is a call as JSON, each line of its output an exit status.
"""

import json
import os
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from threading import Lock

IN_TURN = Lock()


def call(words, env):
    """Return the finished process of `python -m snakemake WORDS` with the environment `env`, its output as text."""
    with IN_TURN, tempfile.NamedTemporaryFile("r", encoding="utf-8") as output:
        process = _loaded()
        asked = {"words": words, "env": env, "cwd": os.getcwd(), "output": output.name}
        process.stdin.write(json.dumps(asked) + "\n")
        process.stdin.flush()
        return subprocess.CompletedProcess(words, int(process.stdout.readline()), output.read())


@cache
def _loaded():
    """Return the process, one for each of pytest's workers; it ends with the worker, which closes its input."""
    return subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def serve():
    """Answer calls; a fork that is a call returns from here."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(**json.loads(line))
            return
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
    sys.exit()


def become(words, env, cwd, output):
    """Make this process what the shell would start."""
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    with open(output, "a") as file, open(os.devnull) as nothing:
        for stream, number in ((nothing, 0), (file, 1), (file, 2)):
            os.dup2(stream.fileno(), number)
    sys.argv[:] = [find_spec("snakemake.__main__").origin, *words]
    # `python -m` looks into the working directory first, then where PYTHONPATH says.
    sys.path[:1] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]


if __name__ == "__main__":
    from snakemake.cli import main

    serve()
    main()

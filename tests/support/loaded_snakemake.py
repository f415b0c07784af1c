"""Calls of Snakemake that are forked from a process that has loaded it: loading takes half of a dry run's time.

The jobs of such a call are forks of it in turn, where a Python of its own would load Snakemake and NumPy for each.
As a program it is that process: each line of its input is a call as JSON, each line of its output an exit status.
"""

import atexit
import gc
import importlib
import json
import logging
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import traceback
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock

# What every call loads after its start, and what most jobs load, or what takes longest.
LOADED = ("filelock", "jsonschema", "nbformat", "platformdirs", "requests", "smart_open", "tomllib")
LOADED += ("snakemake.profiles", "snakemake.report.html_reporter", "snakemake.storage", "yte")
LOADED += ("av", "cv2", "jinja2", "matplotlib.pyplot", "msgspec.json", "numpy", "onnx", "seaborn", "yaml")
OURS = ("dsbench", "dsembed")

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
    # What is loaded stays, so no fork looks through it for garbage, which took a third of a dry run.
    gc.freeze()
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


def fork_job(job, script, edit=False):
    """Run a job's script as a fork of the call; this stands in for a method of Snakemake's PythonScript."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    child = os.fork()
    if child == 0:
        os._exit(_run(script, job.threads))
    with benchmarked(child if job.bench_record else False, job.bench_record):
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status:
        raise subprocess.CalledProcessError(status, script)


def _run(script, threads):
    """Return the exit status of a script that finds this process as a new Python would be."""
    gc.freeze()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    atexit._clear()
    logging.getLogger().handlers.clear()
    for module in [name for name in sys.modules if name.partition(".")[0] in OURS]:
        del sys.modules[module]
    importlib.invalidate_caches()
    os.environ["OMP_NUM_THREADS"] = str(threads)
    sys.argv[:] = [script]
    sys.path[0] = str(Path(script).parent.resolve())
    status = 0
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        status = end.code or 0
    except BaseException:
        traceback.print_exc()
        status = 1
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return status


if __name__ == "__main__":
    from snakemake.benchmark import benchmarked
    from snakemake.cli import main
    from snakemake.script import PythonScript

    for module in LOADED:
        importlib.import_module(module)
    PythonScript.execute_script = fork_job
    serve()
    main()

"""The root of every failure the build explains in one sentence."""


class BuildError(Exception):
    """A step that cannot go on; the text names the file, what was found, what was expected, what to do."""

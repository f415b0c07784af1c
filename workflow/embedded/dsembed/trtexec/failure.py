"""How trtexec's phases end early."""


class Failure(Exception):
    """A run that ends with [E] `lines`, the cause first, and the FAILED banner."""

    def __init__(self, *lines: str):
        super().__init__("; ".join(lines))
        self.lines = lines

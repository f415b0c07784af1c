"""The name that dsbench.tools.doctor had before the packages; kept for programs that import it, until version 2."""

from dsbench.tools.doctor import diagnose

__all__ = ["diagnose"]

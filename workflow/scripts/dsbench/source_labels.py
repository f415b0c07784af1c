"""The name that dsbench.intake.labels had before the packages; kept for programs that import it, until version 2."""

from dsbench.intake.labels import read_source_labels

__all__ = ["read_source_labels"]

"""The command line of the embedded deepstream-app."""

from dataclasses import dataclass
from pathlib import Path

USAGE = """Usage:
  deepstream-app -c FILE

  -c, --cfg-file=FILE   configuration of the pipeline
  -v, --version         versions of the application
  --version-all         versions of the application and its libraries
  -h, --help            this help
"""


class UsageError(Exception):
    """A command line that deepstream-app would not take, or that is not supported."""


@dataclass(frozen=True)
class CommandLine:
    """The action, "run", "version", "version-all" or "help", and for "run" the configuration file."""

    action: str
    config: Path | None = None


def parse_command_line(arguments: list[str]) -> CommandLine:
    """Return what to do; raises UsageError."""
    configs: list[str] = []
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if word in ("-h", "--help"):
            return CommandLine("help")
        if word in ("-v", "--version"):
            return CommandLine("version")
        if word == "--version-all":
            return CommandLine("version-all")
        if name not in ("-c", "--cfg-file"):
            raise UsageError(f"option {word} is not supported by the embedded runtime, see --help")
        configs.append(value if equals else next(words, ""))
    if not any(configs):
        raise UsageError("Specify config file with -c option")
    if len(configs) > 1:
        raise UsageError(f"{len(configs)} -c options: the embedded runtime runs one pipeline per process")
    return CommandLine("run", Path(configs[0]))

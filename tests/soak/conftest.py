"""The table that the long suite ends with."""

import pytest

COLUMNS = (
    "model",
    "package",
    "licence",
    "kind",
    "family",
    "input",
    "stated",
    "frames",
    "own boxes",
    "matched",
    "share",
    "more",
    "verdict",
)
ROWS = pytest.StashKey[list]()


def pytest_configure(config):
    config.stash[ROWS] = []


@pytest.fixture(scope="session")
def rows(pytestconfig):
    """The table's rows, each a value for some of its columns, in the order of the runs."""
    return pytestconfig.stash[ROWS]


def pytest_terminal_summary(terminalreporter, config):
    if not config.stash[ROWS]:
        return
    terminalreporter.section("real models")
    for cells in (COLUMNS, ("---",) * len(COLUMNS), *map(cells_of, config.stash[ROWS])):
        terminalreporter.write_line(f"| {' | '.join(cells)} |")


def cells_of(row):
    """Return a row's cells as text, a dash where the build did not get so far."""
    return [str(row.get(column, "-")) for column in COLUMNS]

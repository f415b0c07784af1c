"""Files that a clock or a power loss spoilt."""

import pytest

from dsbench.core.file_times import emptied


@pytest.mark.parametrize("environment", ["node_modules", ".venv_optimum/lib"])
def test_what_an_environment_holds_may_be_empty(tmp_path, environment):
    inside = tmp_path / "build" / environment / "package/ROADMAP.md"
    inside.parent.mkdir(parents=True)
    (tmp_path / "build/.venv_optimum").mkdir(exist_ok=True)
    (tmp_path / "build/.venv_optimum/pyvenv.cfg").write_text("home = /usr")
    inside.touch()
    lost = tmp_path / "build/inspect.json"
    lost.touch()
    assert emptied([tmp_path / "build"]) == [lost]

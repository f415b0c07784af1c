"""The batch sweep in the report: shown where it was made, and not a word of it elsewhere."""

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from PIL import Image

from dsbench.core.records import as_json
from dsbench.report.charts import CHARTS
from dsbench.report.html import ReportHtmlError, render_html
from dsbench.report.report_data import ReportDataError, check_data
from dsbench.report.sweep_chart import draw_sweep, plot_sweep
from dsbench.trtexec.batch_time import fit_batch_times
from example_report import example, markdown_of, record
from swept import swept

PNG, JPEG = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"


@pytest.fixture
def data():
    return example() | {"sweep": swept()}


@pytest.fixture
def pictures(tmp_path):
    for name in CHARTS:
        (tmp_path / f"{name}.png").write_bytes(PNG)
    for name in ("frame_middle", "chart_sweep"):
        (tmp_path / f"{name}.jpg").write_bytes(JPEG)
    return tmp_path


def page(data, pictures, sweep):
    charts = [pictures / f"{name}.png" for name in CHARTS]
    return render_html(markdown_of(data), charts, "", pictures / "frame_middle.jpg", sweep)


def test_the_answer_stands_on_the_first_page_and_the_sweep_in_its_section(data):
    check_data(data)
    first, *sections = markdown_of(data).split("\n## ")
    assert "| Batch sweep | BS_OPT is 4: each stream got 30 FPS or more, and 5 streams did not. |" in first
    told = next(text for text in sections if "### Batch sweep" in text)
    assert told.startswith("8. DeepStream Benchmark Results")
    assert "| `benchmarks/sweep/trtexec_b8.log` | 8 | 25.00 | 25.15 | +0.6 % | 44.00 ms |" in told
    assert "168.0 images/s of trtexec's 181.8 at a batch of 4, a share of 92.4 %" in told
    assert [line for line in told.split("### Batch sweep")[1].splitlines() if "_run" in line] == [
        "| `ds_s6_run1.log` | 6 | 174.6 | 29.10 | missed |",
        "| `ds_s4_run2.log` | 4 | 126.0 | 31.50 | held |",
        "| `ds_s5_run3.log` | 5 | 147.5 | 29.50 | missed |",
    ]


def test_the_fit_is_told_with_its_residuals_and_those_of_the_other_model(data):
    told = markdown_of(data)
    assert (
        "A batch of b images takes 4.587 + 4.396 x b ms (affine); the power law is off by up to 6.3 %."
        in told
    )
    data["sweep"]["prediction"]["fits"].reverse()
    assert "Batches of b images make 113.53 x b^-0.707 batches/s (power law); the affine is" in markdown_of(
        data
    )


def test_a_time_that_is_the_same_for_each_batch_is_told_as_such(data, tmp_path):
    prediction = data["sweep"]["prediction"]
    prediction["probes"] = prediction["probes"][:1]
    prediction["fits"] = as_json(fit_batch_times({1: 9.0}))
    check_data(data)
    assert "Each batch takes 9.000 ms, however many images it has (constant).\n" in markdown_of(data)
    draw_sweep(record(data), record(data).sweep, tmp_path / "chart_sweep.jpg")


@pytest.mark.parametrize("sweep", [None, "left out"])
def test_without_a_sweep_the_report_has_no_word_of_it(data, pictures, sweep):
    data["sweep"] = None
    if sweep == "left out":
        del data["sweep"]
    check_data(data)
    told = markdown_of(data)
    assert "sweep" not in told.lower()
    assert page(data, pictures, None).count("data:image/jpeg") == 1


def test_its_chart_is_a_jpeg_beside_the_five_png(data, pictures):
    made = page(data, pictures, pictures / "chart_sweep.jpg")
    assert (made.count("data:image/png"), made.count("data:image/jpeg")) == (5, 2)


def test_a_chart_without_a_sweep_and_a_sweep_without_its_chart_are_refused(data, pictures):
    with pytest.raises(ReportHtmlError, match=r"chart_sweep\.jpg"):
        page(data, pictures, None)
    with pytest.raises(ReportHtmlError, match=r"chart_sweep\.jpg"):
        page(data | {"sweep": None}, pictures, pictures / "chart_sweep.jpg")


@pytest.mark.parametrize("bs_opt", [5, None])
def test_an_answer_that_its_runs_do_not_show_is_refused(data, bs_opt):
    data["sweep"]["bs_opt"] = bs_opt
    with pytest.raises(ReportDataError, match=f"sweep.bs_opt is {bs_opt}, expected 4"):
        check_data(data)


@pytest.mark.parametrize("missed_from", [6, 1, None])
def test_a_load_that_no_run_missed_is_refused(data, missed_from):
    data["sweep"]["missed_from"] = missed_from
    with pytest.raises(ReportDataError, match=f"sweep.missed_from is {missed_from}, expected 5"):
        check_data(data)


def test_a_sweep_that_found_none_has_no_zero(data):
    data["sweep"]["bs_opt"] = 0
    with pytest.raises(ReportDataError, match=r"sweep\.bs_opt"):
        check_data(data)


def test_the_chart_has_the_size_of_the_others_and_every_probe_and_run(data, tmp_path):
    draw_sweep(record(data), record(data).sweep, tmp_path / "chart_sweep.jpg")
    picture = Image.open(tmp_path / "chart_sweep.jpg")
    assert (picture.format, picture.size) == ("JPEG", (1500, 900))
    axes = FigureCanvasAgg(Figure()).figure.add_subplot()
    plot_sweep(axes, record(data).sweep)
    dots = [group.get_offsets().tolist() for group in axes.collections if isinstance(group, PathCollection)]
    assert [[batch for batch, _ in group] for group in dots] == [[1, 4, 8], [4], [6, 5]]

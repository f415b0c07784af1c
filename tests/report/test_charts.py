import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from PIL import Image

from dsbench.report import charts
from example_report import example, record
from sampled_run import latency


@pytest.fixture
def data():
    return example()


def drawn(name, data):
    """Return the axes of one chart: its bars' heights, and every word on it."""
    figure = Figure()
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    charts.CHARTS[f"chart_{name}"](axes, record(data))
    words = [*(note.get_text() for note in axes.texts), *(tick.get_text() for tick in axes.get_xticklabels())]
    legend = axes.get_legend()
    return (
        axes,
        [bar.get_height() for bar in axes.patches],
        words + ([entry.get_text() for entry in legend.get_texts()] if legend else []),
    )


def without_run2(data):
    data["deepstream"]["run2"] = data["efficiency"]["run2_pct"] = None
    data["deepstream"]["real_time"] = False
    return data


def test_five_charts_of_the_agreed_names_and_size(data, tmp_path):
    assert list(charts.CHARTS) == [
        "chart_trtexec_bs1_vs_bsmax",
        "chart_trtexec_throughput",
        "chart_ds_streams_vs_fps",
        "chart_trt_vs_ds",
        "chart_efficiency",
    ]
    for name in charts.CHARTS:
        charts.draw_chart(name, record(data), tmp_path / f"{name}.png")
        picture = Image.open(tmp_path / f"{name}.png")
        assert (picture.format, picture.size, round(picture.info["dpi"][0])) == ("PNG", (1500, 900), 150)


def test_one_chart_can_be_drawn_alone_and_comes_out_the_same(data, tmp_path):
    for name in ("first.png", "second.png"):
        charts.draw_chart("chart_efficiency", record(data), tmp_path / name)
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_every_bar_carries_its_value(data):
    _, heights, words = drawn("trtexec_throughput", data)
    assert heights == [112.482, 192.4936, 199.1896]
    assert {"112.5", "192.5", "199.2"} <= set(words)


def test_a_batch_measured_twice_has_one_bar(data):
    data["trtexec"]["doubling"][0]["batch"] = 1
    assert len(drawn("trtexec_throughput", data)[1]) == 2


def test_the_peak_line_is_peak_times_the_target(data):
    axes, _, words = drawn("trtexec_throughput", data)
    assert list(axes.lines[0].get_ydata()) == [180, 180]
    assert "PEAK_GPU_STREAMS: 6 x 30 FPS = 180 images/s" in words


def test_the_target_line_is_red_and_inside_the_picture_for_a_slow_model(data):
    data["deepstream"]["run1"]["fps_per_stream"] = data["deepstream"]["run2"]["fps_per_stream"] = 0.4
    axes, _, words = drawn("ds_streams_vs_fps", data)
    assert (axes.lines[0].get_color(), axes.lines[0].get_ydata()[0]) == (charts.RED, 30)
    assert axes.get_ylim()[1] > 30
    assert words.count("0.40 FPS") == 2


def test_equal_streams_in_both_runs_keep_two_bars(data):
    data["deepstream"]["run2"] = dict(data["deepstream"]["run1"], fps_per_stream=31.0)
    axes, heights, words = drawn("ds_streams_vs_fps", data)
    assert heights == [29.57, 31.0]
    assert [bar.get_x() for bar in axes.patches] == sorted({bar.get_x() for bar in axes.patches})
    assert [word for word in words if "run" in word] == ["run 1\n6 streams", "run 2\n6 streams"]


@pytest.mark.parametrize("name", ["ds_streams_vs_fps", "trt_vs_ds", "efficiency"])
def test_a_run_that_was_not_measured_has_words_and_no_bar(data, name):
    _, heights, words = drawn(name, without_run2(data))
    assert heights[-1] == 0
    assert words.count("not measured") == 1
    assert not {"0.00", "0.00 %", "0.00 FPS"} & set(words)


def test_efficiency_shows_the_hundred_percent_line(data):
    data["efficiency"].update(run1_pct=104.2, run2_pct=88.0)
    axes, heights, words = drawn("efficiency", data)
    assert axes.lines[0].get_ydata()[0] == 100
    assert heights == [104.2, 88.0]
    assert "100 % = 199.2 images/s, trtexec at batch 8" in words


def test_a_value_just_under_its_line_is_not_rounded_onto_it(data):
    data["deepstream"]["run1"]["fps_per_stream"] = 29.96
    assert "29.96 FPS" in drawn("ds_streams_vs_fps", data)[2]


def test_model_and_runtime_names_are_not_read_as_formulas(data, tmp_path):
    data["model_name"], data["runtime"]["name"] = "a$b$c_^{", "$\\frac{" + "x" * 200
    charts.draw_chart("chart_trt_vs_ds", record(data), tmp_path / "chart.png")
    assert (tmp_path / "chart.png").stat().st_size > 0


def test_whiskers_show_the_measured_spread_and_stay_away_where_there_is_none(data):
    axes, _, _ = drawn("trt_vs_ds", data)
    spread = 177.42 * 0.021
    ends = [tuple(line.vertices[:, 1]) for line in axes.collections[2].get_paths()]
    assert ends == [pytest.approx((177.42 - spread, 177.42 + spread))]
    before = len(axes.collections)
    data["deepstream"]["run1"]["cov_pct"] = None
    assert len(drawn("trt_vs_ds", data)[0].collections) == before - 2


def test_each_window_is_a_dot_beside_its_run(data):
    data["deepstream"]["run1"]["window_fps"] = [170.4, 180.6, 182.4]
    axes, _, _ = drawn("ds_streams_vs_fps", data)
    dots = [
        place
        for group in axes.collections
        if isinstance(group, PathCollection)
        for place in group.get_offsets()
    ]
    assert [fps for _, fps in dots] == pytest.approx([28.4, 30.1, 30.4])


def test_every_step_of_the_doubling_has_its_peak(data):
    _, _, words = drawn("trtexec_throughput", data)
    assert [word for word in words if word.startswith("batch")] == [
        "batch 1",
        "batch 4\nPEAK 6",
        "batch 8\nPEAK 6",
    ]


def test_latency_of_a_frame_stands_beside_the_streams_where_it_was_measured(data):
    assert len(drawn("ds_streams_vs_fps", data)[0].figure.axes) == 1
    data["deepstream"]["latency"] = latency()
    axes, heights, _ = drawn("ds_streams_vs_fps", data)
    latencies = axes.figure.axes[1]
    assert heights == [data["deepstream"][run]["fps_per_stream"] for run in ("run1", "run2")]
    assert [bar.get_height() for bar in latencies.patches[:4]] == [63.0, 61.25, 88.5, 120.125]
    assert [tick.get_text() for tick in latencies.get_xticklabels()] == ["mean", "p50", "p95", "p99"]
    # The parts of the mean cover its bar.
    parts = latencies.patches[4:]
    assert [(bar.get_y(), bar.get_height()) for bar in parts] == [(0, 8), (8, 15), (23, 35.5), (58.5, 4.5)]
    assert [text.get_text() for text in latencies.get_legend().get_texts()] == [
        *("decoder", "muxer", "nvinfer", "between them")
    ]
    assert latencies.get_ylabel() == "latency (ms), 5 streams"
    assert latencies.get_title() == "Latency of a frame"


def test_the_time_of_a_component_that_told_none_is_no_part_of_the_bar(data):
    data["deepstream"]["latency"] = latency(untimed=["nvtracker"])
    latencies = drawn("ds_streams_vs_fps", data)[0].figure.axes[1]
    assert [bar.get_height() for bar in latencies.patches[4:]] == [8, 15, 35.5]


def test_latency_without_components_has_its_percentiles_alone(data):
    data["deepstream"]["latency"] = latency(components=[])
    latencies = drawn("ds_streams_vs_fps", data)[0].figure.axes[1]
    assert [bar.get_height() for bar in latencies.patches] == [61.25, 88.5, 120.125]


def test_latency_percentiles_stand_beside_the_rates(data):
    axes, _, _ = drawn("trtexec_bs1_vs_bsmax", data)
    latencies = axes.figure.axes[1]
    assert [bar.get_height() for bar in latencies.patches] == [8.8712, 40.1211]
    assert [tick.get_text() for tick in latencies.get_xticklabels()] == [
        "batch 1\np90 9.31\np95 9.67\np99 10.65",
        "batch 8\np90 42.13\np95 43.73\np99 48.15",
    ]

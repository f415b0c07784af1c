import html
import re

import pytest

from dsbench.report.report_data import check_data
from example_report import example, markdown_of
from sampled_run import latency

SECTIONS = [
    "Model Configuration",
    "System Configuration",
    "Preprocessing",
    "Engine Build Summary",
    "trtexec Results",
    "PEAK_GPU_STREAMS Derivation",
    "Single-Stream Validation",
    "DeepStream Benchmark Results",
    "trtexec vs DeepStream Comparison",
    "Efficiency Analysis",
    "Pipeline Timing",
    "Reference Commands",
]


@pytest.fixture
def data():
    return example()


def slow(data):
    """Return the data of a model that cannot feed one stream."""
    data["trtexec"]["doubling"] = [{"batch": 8, "qps": 2.5, "imgs_per_sec": 20.0, "peak_gpu_streams": 0}]
    data["trtexec"]["bsmax"].update(qps=2.5, imgs_per_sec=20.0)
    data["peak_gpu_streams"] = 0
    run = data["deepstream"]["run1"]
    run.update(streams=1, total_fps=18.2, fps_per_stream=18.2, min_stream_fps=18.2, real_time=False)
    data["deepstream"].update(run2=None, rt_streams=0, real_time=False)
    data["efficiency"].update(reference_imgs_per_sec=20.0, run1_pct=91.0, run2_pct=None)
    return data


def test_the_twelve_sections_stand_in_order_with_their_numbers(data):
    heads = re.findall(r"^## (.+)$", markdown_of(data), re.MULTILINE)
    assert heads == [f"{number}. {title}" for number, title in enumerate(SECTIONS, 1)]


def test_a_reader_sees_verdict_runtime_machine_and_versions_before_the_first_section(data):
    summary = markdown_of(data).split("## 1.")[0]
    for fact in (
        "**CPU figures, not a GPU's. REAL-TIME: this machine serves 5 cameras at 30 FPS, the processors limit it, and",
        "| Runtime | embedded runtime: OpenVINO 2026.4.1 on",
        "2 cores, 23.5 GiB; GPU: none found",
        "OpenVINO 2026.4.1, GStreamer 1.22.0",
        "passed: 300 of 300 frames",
        "| Output video | Theora (no H.264 encoder here) |",
        "measured by the embedded runtime: OpenVINO 2026.4.1 on",
    ):
        assert fact in summary


def test_a_newcomer_reads_what_the_runs_and_the_picture_are_where_they_first_stand(data):
    summary = markdown_of(data).split("## 1.")[0]
    figures, _, others = summary.partition(
        "run 1 with the streams that inference alone could serve, run 2 with"
    )
    assert "Run 1" not in figures and figures.count("run 2") == 2
    assert "![The clip's middle frame" in others
    assert "*The clip's middle frame: each box that the model found, with its class" in others
    assert "MAX_BS" not in summary


def test_figures_of_a_gpu_are_not_called_figures_of_the_cpu(data):
    data["runtime"]["kind"] = "nvidia"
    assert "CPU figures" not in markdown_of(data)


def test_a_slow_model_is_called_not_real_time(data):
    report = markdown_of(slow(data))
    assert report.count("**NOT REAL-TIME: 1 stream at 18.20 FPS per stream, target 30 (Run 1)**") == 1
    assert "it cannot feed one real-time stream" in report
    assert "PEAK_GPU_STREAMS = 0, MAX_BS = 8" in report


def test_the_run_that_was_too_slow_is_shown_where_another_of_one_stream_was_not(data):
    run1 = slow(data)["deepstream"]["run1"]
    faster = {"total_fps": 46.75, "fps_per_stream": 46.75, "min_stream_fps": 46.75, "real_time": True}
    data["deepstream"]["run2"] = run1 | faster
    data["efficiency"]["run2_pct"] = 100 * 46.75 / data["efficiency"]["reference_imgs_per_sec"]
    assert "**NOT REAL-TIME: 1 stream at 18.20 FPS per stream, target 30 (Run 1)**" in markdown_of(data)
    run1.update(faster)
    data["efficiency"]["run1_pct"] = data["efficiency"]["run2_pct"]
    says = "**NOT REAL-TIME: 1 stream at 46.75 FPS per stream, target 30 (Run 2), but trtexec alone is slower than one"
    assert says in markdown_of(data)


def test_a_run_that_was_not_measured_is_said_and_never_zero(data):
    section = markdown_of(slow(data)).split("## 8.")[1].split("## 9.")[0]
    assert "Run 2: not measured." in section
    assert "| Figure | Run 1 |\n|---|---:|\n" in section


def test_the_real_time_run_with_the_most_streams_gives_the_verdict(data):
    run1 = data["deepstream"]["run1"]
    run1.update(total_fps=181.2, fps_per_stream=30.2, min_stream_fps=30.1, real_time=True)
    data["efficiency"]["run1_pct"] = 100 * 181.2 / data["efficiency"]["reference_imgs_per_sec"]
    assert "**REAL-TIME: 6 streams at 30.20 FPS per stream, target 30 (Run 1)**" in markdown_of(data)


def test_the_derivation_shows_the_numbers_of_every_step(data):
    report = markdown_of(data)
    assert "floor(48.1234 x 4 / 30) = floor(6.4165) = 6 | 6 > 4: double |" in report
    assert "floor(24.8987 x 8 / 30) = floor(6.6397) = 6 | 6 ≤ 8: stop |" in report
    assert "min(floor(177.42 / 30), 8) = 5 real-time streams" in report


def test_what_the_gate_checked_is_shown(data):
    report = markdown_of(data)
    assert "| Longer side of 9 in 10 boxes, network pixels | 101.60 | at least 1.5 |" in report
    assert "the same boxes, levels | too few to tell | under 8 |" in report
    assert "The gate requires 5.0 % of the 2,158 objects of the model's classes; found are 95.1 %." in report
    assert "finds objects | 5 of 5: 27 objects in ONNX Runtime with its own preprocessing |" in report
    data["preprocessing"]["proof"]["reference"] = "preprocessing: in the config"
    assert "in ONNX Runtime with its own preprocessing |" in markdown_of(data)
    data["preprocessing"]["proof"]["reference"] = "family"
    assert "in ONNX Runtime with its family's preprocessing |" in markdown_of(data)
    data["validation"]["ground_truth"]["known_recall"] = None
    assert "2,158 objects of the model's classes, too few for the gate." in markdown_of(data)
    del data["validation"]["checks"]
    assert "such as a scene has" not in markdown_of(data)


def test_the_accuracy_that_is_kept_is_shown_for_each_stage_size_and_class(data):
    section = markdown_of(data).split("### Accuracy kept")[1].split("## 8.")[0]
    assert (
        "with the image processor of preprocessor_config.json, on 50 frames, one in 6, with scores above 0.5"
        in section
    )
    assert "| Pixels | 0.891 | 0.956 | 0.948 | 0.858 | 0.942 | 0.14 | 0.27 |" in section
    assert "| All: the boxes of deepstream-app | 0.891 |" in section
    assert "| small | 9 | 0.509 | " in section and "| road_sign | 105 | 0.857 | " in section
    assert "requires an AP@[.5:.95] of 0.5 and a shift of at most 0.25 px" in section
    assert "lower edge" not in section
    data["validation"]["accuracy"]["edge"] |= {"boxes": 9, "lost": 1}
    assert "lower edge of the frame: 9, of which the runtime lost 1." in markdown_of(data)


def test_model_and_runtime_stand_side_by_side_on_the_truth(data):
    truth = data["validation"]["accuracy"]["truth"]
    truth["model"]["every"]["ap"], truth["runtime"]["every"]["ap"] = 0.912, 0.871
    report = markdown_of(data)
    assert "95.5 % of the model's mAP on true boxes is kept" in report.split("## 1.")[0]
    assert "| all | 744 | 0.912 | 0.871 | " in report
    data["validation"]["accuracy"] |= {"truth": None, "is_told": False}
    report = markdown_of(data)
    assert "too few objects tell how much accuracy is kept" in report.split("## 1.")[0]
    assert "| Accuracy kept |" not in report
    assert "not measured, since the clip has none (truth: in the config)." in report


def test_optional_values_read_not_measured(data):
    data["trtexec"]["bs1"]["p95_ms"] = None
    data["validation"]["ground_truth"] = None
    data["deepstream"]["run1"]["cov_pct"] = None
    report = markdown_of(data)
    assert "| 95th percentile (ms) | not measured | 43.732 |" in report
    assert "Accuracy against ground truth: not measured." in report
    assert "| Variation of the windows (%) | not measured | 2.1 |" in report


def test_preprocessing_is_shown_against_what_it_could_be_instead(data):
    proof = data["preprocessing"]["proof"]
    proof["warnings"], proof["notes"] = ["a warning."], ["a note."]
    section = markdown_of(data).split("## 3.")[1].split("## 4.")[0]
    assert (
        "against the image processor of preprocessor_config.json, on 5 frames of the clip with 27" in section
    )
    assert "| as derived | 2.67 | 73.0 | 0.812 | 31 | 20.5 |" in section
    assert "| model-color-format=1 | 29.56 | 216.0 | 0.586 | 17 | 11.0 |" in section
    assert "- a warning.\n- a note.\n" in section
    proof["reference"] = "family"
    proof["alternatives"][1] |= {"same_as_derived": True, "likeness": None}
    section = markdown_of(data).split("## 3.")[1].split("## 4.")[0]
    assert "family's own pipeline (there is no preprocessor_config.json)" in section
    assert (
        "| net-scale-factor=1 (same pixels) | 26,830.73 | 64,815.0 | not measured | 500 | 438.5 |" in section
    )


@pytest.mark.parametrize("absent", [lambda facts: facts.pop("proof"), lambda facts: facts.update(proof=None)])
def test_preprocessing_that_was_not_proven_reads_not_measured(data, absent):
    absent(data["preprocessing"])
    assert "Derived preprocessing against the model's own: not measured." in markdown_of(data)


def test_efficiency_states_the_measured_difference_and_the_batches(data):
    section = markdown_of(data).split("## 10.")[1].split("## 11.")[0]
    assert "| Run 1 | 6 | 177.4 | 89.1 % |" in section
    assert "0.62 ms more per image than trtexec; it ran at batch 6, trtexec at batch 8" in section


def test_efficiency_above_one_hundred_percent_took_less_time(data):
    data["deepstream"]["run2"].update(total_fps=250.0, fps_per_stream=50.0)
    data["efficiency"]["run2_pct"] = 100 * 250.0 / data["efficiency"]["reference_imgs_per_sec"]
    assert "Run 2 took 1.02 ms less per image" in markdown_of(data)


def test_timing_has_every_step_and_the_total(data):
    section = markdown_of(data).split("## 11.")[1].split("## 12.")[0]
    for step in data["timing"]["steps"]:
        assert f"| {step['step']} | {step['wall_s']:.1f} |" in section
    assert "| **Total** | **180.1** |" in section
    assert "| create_export_environment | 41.8 | 23.2 | not measured |" in section


def test_every_command_stands_whole_in_a_fence(data):
    report = markdown_of(data)
    for command in data["commands"]:
        assert f"```sh\n{command['text'].strip()}\n```" in report


def test_the_five_charts_are_relative_and_shown_once(data):
    frame, *pictures = re.findall(r"!\[[^]]*\]\(([^)]*)\)", markdown_of(data))
    assert frame == "../samples/frame_middle.jpg"
    assert len(set(pictures)) == len(pictures) == 5
    assert all(re.fullmatch(r"charts/chart_[a-z0-9_]+\.png", picture) for picture in pictures)


def test_classes_that_were_never_detected_are_counted(data):
    data["model"]["classes"] = [f"class {number}" for number in range(87)] + data["model"]["classes"]
    assert "Classes never detected: 87 of 91." in markdown_of(data)


def test_origin_of_the_class_names_stands_with_its_notes_and_each_name_in_its_place(data):
    data["model"] |= {"classes": ["car", "سيارة", "مشاة"], "classes_from": "the ONNX's metadata"}
    data["model"]["class_notes"] = ["No name for 1 of 91 classes (first id 0)."]
    report = markdown_of(data)
    assert "| Class names from | the ONNX's metadata |\n| Note on class names | No name for 1 of 91" in report
    assert "Class names in order: car, سيارة&lrm;, مشاة&lrm;\n" in report


def test_tables_are_not_interrupted_by_blank_lines(data):
    data["model"]["export"] = None
    data["system"]["gpu"] = "NVIDIA H100"
    report = markdown_of(data)
    for block in re.findall(r"(?:^\|.*\n)+", report, re.MULTILINE):
        rows = block.splitlines()
        assert re.fullmatch(r"\|(:?-+:?\|)+", rows[1]), rows[0]
        assert len({len(re.findall(r"\|", row)) for row in rows}) == 1, rows[0]


def test_no_placeholder_is_left(data):
    for report in (markdown_of(data), markdown_of(slow(data))):
        assert not re.search(r"\(fill|TODO|N/A|None|nan\b|\{\{|\{%", report)


def test_source_files_stand_with_size_and_hash_beside_revision_and_licence(data):
    data["model"] |= {"license": "apache-2.0", "revision": "c0ffee", "source": "org/name"}
    data["model"]["files"] = [{"name": "model.safetensors", "bytes": 10013896, "sha256": "b88455fa"}]
    text = markdown_of(data)
    assert "| Licence | apache-2.0 |" in text
    assert "| Revision | c0ffee |" in text
    assert "| Source file `model.safetensors` | 10,013,896 bytes, SHA-256 `b88455fa` |" in text


def test_warnings_of_a_run_are_shown_with_its_name(data):
    data["deepstream"]["run2"]["warnings"] = ["a | b"]
    section = html.unescape(markdown_of(data).partition("## 8.")[2].partition("## 9.")[0])
    assert "- Warning in run 1: Unknown key 'width' for group [source0]\n" in section
    assert "- Warning in run 2: a | b\n" in section


def test_what_bound_a_run_is_said_from_its_samples(data):
    report = markdown_of(data)
    assert "| Bound by | cpu: busy: the processors 99 % | cpu: busy: the processors 98 % |" in report
    assert "- What bound Run 1: cpu: busy: the processors 99 %." in report
    data["deepstream"]["run1"]["conditions"] |= {"bound_by": None, "because": None, "samples": None}
    assert "- What bound Run 1: not measured." in markdown_of(data)


def test_a_disturbed_run_is_never_printed_as_clean(data):
    assert "DISTURBED" not in markdown_of(data)
    data["runtime"]["kind"] = "nvidia"
    data["deepstream"]["run2"]["conditions"]["disturbances"] = ["other processes used the GPU: python3 (77)"]
    report = markdown_of(data)
    assert report.count("target 30 (Run 2); the run was DISTURBED**") == 1
    assert "**MEASURED BESIDE OTHER WORK, so that this machine may do more. " in report
    assert "FPS per stream; DISTURBED, see section 8 |" in report
    assert "| Disturbed | not measured | other processes used the GPU: python3 (77) |" in report


def test_derivation_says_whose_frame_rate_it_uses(data):
    assert "30 FPS is the clip's own frame rate.\n" in markdown_of(data)
    data["target_fps_from"], data["video"]["fps"] = "config", 25.0
    assert "of the config; the clip has 25 FPS.\n" in markdown_of(data)


def test_doubling_that_had_to_stop_says_why(data):
    data["trtexec"]["doubling"] = [{"batch": 8, "qps": 40.0, "imgs_per_sec": 320.0, "peak_gpu_streams": 10}]
    data["trtexec"]["bsmax"].update(qps=40.0, imgs_per_sec=320.0)
    data["efficiency"].update(reference_imgs_per_sec=320.0, run1_pct=None, run2_pct=None)
    data["peak_gpu_streams"] = 10
    data["doubling_stopped_by"] = "twice that needs at least 900 MiB of 800 MiB of device memory"
    assert "10 > 8: stop, twice that needs at least 900 MiB of 800 MiB of device memory |" in markdown_of(
        data
    )


def test_gpu_that_was_not_used_is_told_beside_the_cpu(data):
    data["runtime"]["kind"], data["system"]["gpu"], data["system"]["driver"] = "embedded", None, None
    assert "GPU: none found" in markdown_of(data)
    data["system"]["driver"] = "595.58.03"
    text = markdown_of(data)
    assert (
        "This machine has a GPU (driver 595.58.03), which was not used." in text and "GPU: not used" in text
    )


def test_error_lines_of_a_build_that_passed_are_shown_with_its_engine(data):
    assert "trtexec passed, but said" not in markdown_of(data)
    data["engines"][0]["errors"] = ["Error Code: 9: Skipping tactic 0x1 | due to exception"]
    assert "| trtexec passed, but said | Error Code: 9: Skipping tactic 0x1 &#124; due to" in markdown_of(
        data
    )


def test_rows_that_a_runtime_never_measures_are_left_out_and_those_it_could_measure_stay(data):
    report = markdown_of(data)
    for row in ("GPU driver", "CUDA", "TensorRT", "DeepStream |", "Disturbed", "GPU samples"):
        assert f"\n| {row}" not in report
    assert "\n| OpenVINO | 2026.4.1 |" in report
    data["runtime"]["kind"] = "nvidia"
    report = markdown_of(data)
    for row in (
        "| GPU driver | none found |",
        "| GPU samples | not measured |",
        "| Disturbed | not measured |",
    ):
        assert f"\n{row}" in report
    assert "\n| OpenVINO |" not in report


def test_export_attempts_are_sentences_and_never_dictionaries(data):
    report = markdown_of(data)
    assert "| Export by dynamo | not tried: its export of this family keeps the example's batch |" in report
    assert (
        "| Export by optimum, opset 17 | accepted: equals torch at batch 1 and 3 within 1.6e-05; 29.5 s; log `"
        in report
    )
    assert not re.search(r"method: |verdict: |\{'", report)


def test_precision_of_the_layers_and_of_the_onnx_is_shown_as_it_was_found(data):
    text = markdown_of(data)
    assert "Precision of layers" not in text and "in half precision" not in text
    data["runtime"]["kind"] = "nvidia"
    assert "| Precision of layers | not stated by the engine |" in markdown_of(data)
    half = {
        "onnx": "rtdetr_fp16.onnx",
        "kept_in_float32": "least",
        "half_share": 0.9999,
        "max_difference": 2.3,
        "told_by": "detections",
        "likeness": 0.9909,
        "least_likeness": 0.95,
        "images": 3,
        "accepted": True,
        "refused": [],
    }
    data["engines"][0] |= {"layers": {"fp16": 1200, "fp32": 4}, "half_precision": half}
    text = markdown_of(data)
    assert "| Precision of layers | 1,200 fp16, 4 fp32 |" in text
    assert (
        "| ONNX in half precision | `rtdetr_fp16.onnx`: 100.0 % of the weights; on 3 images its detections are like"
        " float32's to 0.991 of 1, at least 0.95 is required |"
    ) in text
    half |= {"told_by": "tensors", "max_difference": 0.01, "largest_difference": 0.1}
    assert "its tensors differ from float32's by 0.0100, at most 0.1 is allowed |" in markdown_of(data)


def side_by_side(data):
    """Return the data of a model that resizes in the graph, beside one whose frames nvinfer resizes."""
    other = data["validation"]["accuracy"]["stages"][-1]["accuracy"]["every"]
    own = other | {"ap": 0.996, "ap_90": 0.991, "shift_x_px": 0.0, "shift_y_px": -0.01}
    rates = {"batch": 8, "imgs_per_sec": 199.2, "streams": 5, "total_fps": 175.8, "rt_streams": 5}
    data["side_by_side"] = [
        {
            "model_name": "in_graph",
            "resize": "in_graph",
            "kept": own,
            "on_truth": own | {"ap": 0.908},
            **rates,
        },
        {
            "model_name": "rtdetr",
            "resize": "nvinfer",
            "kept": other,
            "on_truth": other | {"ap": 0.856},
            **rates,
        }
        | {"imgs_per_sec": 260.4, "rt_streams": 7},
    ]
    return data


def test_two_ways_of_resizing_stand_side_by_side(data):
    check_data(side_by_side(data))
    section = html.unescape(markdown_of(data).split("### in_graph beside rtdetr")[1].split("## 10.")[0])
    for row in (
        "| Who resizes the frame | the ONNX | nvinfer |",
        "| AP@[.5:.95], the model's own boxes as truth | 0.996 | 0.891 |",
        "| AP@[.5:.95], on the clip's truth | 0.908 | 0.856 |",
        "| Shift down, px, the model's own boxes as truth | -0.01 | 0.27 |",
        "| trtexec images/s at MAX_BS | 199.2 at 8 | 260.4 at 8 |",
        "| DeepStream total FPS, run 2 | 175.8 with 5 streams | 175.8 with 5 streams |",
        "| Real-time streams | 5 | 7 |",
    ):
        assert row in section


def test_without_truth_or_another_model_nothing_stands_beside(data):
    assert " beside rtdetr" not in markdown_of(data)
    side_by_side(data)["side_by_side"][1]["on_truth"] = None
    assert "on the clip's truth |" not in markdown_of(data).split("beside rtdetr")[1]


def test_latency_has_a_table_of_its_own_that_says_the_load(data):
    assert "Latency of a frame" not in markdown_of(data)
    data["deepstream"]["latency"] = latency(warnings=["1 line was torn."])
    section = markdown_of(data).partition("## 8. ")[2].partition("## 9. ")[0]
    for row in (
        "| Latency of a frame, ms | 5 streams |",
        "| 95 % of the frames, at most (p95) | 88.5 |",
        "| Mean, and shortest to longest | 63.0, 30.0 to 140.0 |",
        "| In the decoder | mean 8.0, p95 9.5 |",
        "| In the muxer: scaling, wait for the batch | mean 15.0, p95 21.2 |",
        "| In nvinfer: inference, parsing | mean 35.5, p95 40.8 |",
        "| Between them, in queues | mean 4.5 |",
        "| Configuration | `benchmarks/ds/ds_s5_run2.txt` |",
        "- Warning: 1 line was torn.",
    ):
        assert f"\n{row}\n" in section
    assert "a frame waits in every buffer" in section


def test_component_is_told_by_what_it_does_on_the_runtime_or_by_its_own_name(data):
    data["runtime"]["kind"] = "nvidia"
    data["deepstream"]["latency"] = latency(
        components=[{"name": name, "mean_ms": 5.0, "p95_ms": 6.0} for name in ("primary_gie", "a|demuxer")]
    )
    section = markdown_of(data).partition("## 8. ")[2]
    assert "\n| In nvinfer: scaling, inference, parsing | mean 5.0, p95 6.0 |\n" in section
    assert "\n| In a&#124;demuxer | mean 5.0, p95 6.0 |\n" in section


def test_latency_without_components_says_nothing_of_them(data):
    data["deepstream"]["latency"] = latency(components=[])
    section = markdown_of(data).partition("## 8. ")[2].partition("## 9. ")[0]
    assert "Between them" not in section and "A component has" not in section


def test_the_time_of_a_component_that_told_none_is_not_called_time_in_queues(data):
    data["deepstream"]["latency"] = latency(untimed=["nvtracker"])
    section = markdown_of(data).partition("## 8. ")[2].partition("## 9. ")[0]
    assert "| In the decoder | mean 8.0, p95 9.5 |" in section and "Between them" not in section


def section_8(data):
    check_data(data)
    return html.unescape(markdown_of(data)).partition("## 8. ")[2].partition("## 9. ")[0]


def test_section_8_says_what_decoding_alone_allows_or_why_that_is_not_known(data):
    rates = [{"streams": 16, "frames_per_s": 5493.2}, {"streams": 183, "frames_per_s": 3898.0}]
    data["deepstream"]["decoding"] = {"rates": rates, "stopped_by": None, "allowed_streams": 129}
    assert (
        "Decoding alone allows at least 129 streams of this clip at 30 FPS: 5,493 frames/s in 16 streams, 3,898"
        " frames/s in 183 streams, with nothing behind the decoders.\n"
    ) in section_8(data)
    stopped = {"rates": rates[:1], "stopped_by": "no memory for more", "allowed_streams": 183}
    data["deepstream"]["decoding"] = stopped
    assert "More was not measured: no memory for more." in section_8(data)
    data["deepstream"]["decoding"] = {"rates": [], "stopped_by": "the clip is vp9", "allowed_streams": None}
    assert "Decoding alone: not measured: the clip is vp9." in section_8(data)
    del data["deepstream"]["decoding"]
    assert "Decoding alone: not measured." in section_8(data)

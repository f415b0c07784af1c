"""The shortest logs of trtexec and deepstream-app that the build accepts, with rates that a test chooses."""


def trtexec_log(folder, batch, images_per_s):
    """Write an accepted measurement of `images_per_s` at `batch`."""
    qps = images_per_s / batch
    names = ("min", "max", "mean", "median", "percentile(99%)")
    points = ", ".join(f"{name} = {900 / qps:g} ms" for name in names)
    log = folder / f"b{batch}/trtexec_b{batch}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_text(
        "&&&& RUNNING TensorRT.trtexec [TensorRT v101600] # x\n"
        f"[a] [I] Throughput: {qps:g} qps\n[a] [I] GPU Compute Time: {points}\n"
        "&&&& PASSED TensorRT.trtexec [TensorRT v101600] # x\n"
    )
    return log


def run_log(folder, streams, run, fps_per_stream, windows=3):
    """Write an accepted run of `streams` equal streams."""
    log = folder / f"ds_s{streams}_run{run}.log"
    row = "**PERF:  " + f"{fps_per_stream:.2f} (1.00)\t" * streams
    lines = ["Use deserialized engine model: m.engine", *[row] * (windows + 1)]
    log.write_text(
        "\n".join([*lines, "** ERROR: <_intr_handler:136>: User Interrupted.. ", "App run successful\n"])
    )
    return log

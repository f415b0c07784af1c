"""What trtexec prints for --help."""

HELP = """\
=== Model and build ===
  --onnx=<file>               ONNX model to build an engine from; a leading ~ is the home folder
  --saveEngine=<file>         write the engine, whole or not at all
  --loadEngine=<file>         use an engine instead of building one
  --minShapes=<name>:<dims>   smallest input shape of the engine, as in images:1x3x320x320
  --optShapes=<name>:<dims>   shape that plans are timed for
  --maxShapes=<name>:<dims>   largest shape; only the batch may vary
  --fp16                      let layers compute in f16 or bf16 where that is faster and exact enough
  --stronglyTyped             take the types from the model
  --memPoolSize=workspace:<n>[B|K|M|G]  memory that one plan may take, judged approximately, by what the
                              process grows by while it runs once; no unit is MiB, only the last
                              character is the unit (default: no limit)
  --timingCacheFile=<file>    keep timings here, and use those kept
  --skipInference             build or load, do not measure

=== Inference ===
  --shapes=<name>:<dims>      input shape to run (default: the optimum of a build, batch 1 of a loaded engine)
  --iterations=<n>            run at least n queries per stream (default: 10)
  --duration=<s>              run at least this many seconds after the warm-up (default: 3)
  --warmUp=<ms>               run this long before measuring (default: 200)
  --infStreams=<n>            keep n batches in flight, on n CPU streams but no more than there are cores;
                              beyond that batches wait for each other (default: 1)
  --noDataTransfers           leave out copying inputs and outputs

=== Reporting ===
  --percentile=<p>[,<p>...]   percentiles to report (default: 90,95,99)
  --avgRuns=<n>               queries per line of the trace (default: 10)
  --exportTimes=<file>        write the times of all measured queries as JSON
  --verbose                   say more

=== System ===
  --device=0                  the CPU is the only device
  --help, -h                  print this
"""

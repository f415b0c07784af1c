"""The parser, the configurations, the runs and the video."""

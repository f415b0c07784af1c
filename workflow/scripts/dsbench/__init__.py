"""What the build knows about detectors, tools, logs and reports; nothing here knows Snakemake."""

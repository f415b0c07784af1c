"""The only package that knows Snakemake: configuration, code versions, calls, jobs, plans."""

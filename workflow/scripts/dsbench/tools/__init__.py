"""Run, watch, lock and explain a program, and sample what the machine did meanwhile."""

# make report   installs what is missing, then builds and measures the demonstration model
# make test     installs what is missing, then runs the linters and all tests
# make soak     builds real detectors of public packages, compares their boxes with the packages' own, tries the families
#               and versions that make test has samples of, and runs a real Slurm
# make lock     compiles envs/*.in into envs/*.lock, with the hash of every file that may be installed
# make audit    looks the packages of the locks up among known vulnerabilities
# make rebuilds writes docs/rebuilds.md, what runs again after which change
# make diagrams writes the Mermaid diagrams of docs/ (files, packages, which rule follows which) and the tables from a
#               file to its code

PYTHON ?= python3
BIN := .venv/bin
REPORT := models/rtdetr/reports/benchmark_report.pdf
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-header \
	--no-emit-index-url --no-emit-find-links --annotation-style line --generate-hashes
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes

.DELETE_ON_ERROR:
.PHONY: report test suite soak lint system lock audit rebuilds diagrams

report: .venv/workflow.txt system
	$(BIN)/snakemake --cores 1 $(REPORT)
	@echo "The report is $(REPORT)"

# The linters run beside the tests, which wait for much of their time.
test: .venv/test.txt system
	@$(MAKE) --no-print-directory --jobs 2 lint suite

suite: .venv/test.txt
	@# Tests that call make have nothing to do with the two jobs of this one. Two workers more than cores: tests wait.
	env -u MAKEFLAGS -u MFLAGS $(BIN)/python -m pytest -n $$(($$(nproc) + 2)) --dist loadfile --no-loadscope-reorder

soak: .venv/test.txt system
	$(BIN)/python -m pytest tests/soak

# Without strace the test of which files each job opens is skipped.
test soak: WISHED := strace

lint: .venv/test.txt
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/snakemake --lint
	PYTHONPATH=workflow/scripts:workflow/embedded $(BIN)/lint-imports --no-cache
	$(BIN)/mypy

system:
	@sh envs/install_system_packages.sh $(WISHED)

# The stamps hold the lock they were installed from, so a changed lock installs again.
.venv/workflow.txt: envs/workflow.lock
	@sh envs/install_system_packages.sh
	$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(INSTALL) -r envs/workflow.lock
	cp envs/workflow.lock $@

.venv/test.txt: envs/test.lock .venv/workflow.txt
	$(INSTALL) -r envs/test.lock
	cp envs/test.lock $@

rebuilds: .venv/workflow.txt
	PYTHONPATH=workflow/scripts $(BIN)/python -m dsbench.dag.rebuild_table tests/fakes tests/fakes/gstreamer \
		> docs/rebuilds.md

diagrams: .venv/workflow.txt
	PYTHONPATH=workflow/scripts $(BIN)/python -m dsbench.dag.diagrams tests/fakes tests/fakes/gstreamer

# torch lists NVIDIA's CUDA packages as its own needs; pinning them too would install them beside a CPU build. PyTorch's
# own index has other files under the versions of torch and torchvision, so these two have no hashes.
UNPINNED := ^(nvidia-|cuda-|triton)
UNHASHED := ^(torch|torchvision)==

lock: .venv/test.txt
	$(COMPILE) envs/workflow.in -o envs/workflow.lock
	$(COMPILE) -c envs/workflow.lock envs/test.in -o envs/test.lock
	$(COMPILE) envs/export.in -o envs/export.lock
	awk '/^[^ ]/ {kept = $$0 !~ /$(UNPINNED)/; bare = $$0 ~ /$(UNHASHED)/} bare {sub(/ *\\$$/, "")} \
		kept && !(bare && /--hash/)' envs/export.lock > envs/export.lock.kept
	mv envs/export.lock.kept envs/export.lock
	$(COMPILE) envs/tensorrt_parse.in -o envs/tensorrt_parse.lock
	cd envs && npm install --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved --no-audit --no-fund

audit: .venv/test.txt
	@sh envs/audit.sh $(BIN)/pip-audit envs/*.lock

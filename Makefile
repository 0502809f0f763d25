# scanbench: the front door. `make help` lists what there is.

# Where things are. PYTHON makes the environment, in which everything else runs.
PYTHON  ?= python3
VENV     = .venv

python  := $(VENV)/bin/python
# $(call given,VARIABLE): what make's command line says, and no environment, which has an ARCH of its own.
given    = $(if $(filter command,$(origin $(1))),$($(1)))
# $(call option,name,VARIABLE): the command-line option for a variable that is given, safely quoted.
quote    = '$(subst ','\'',$(1))'
option   = $(if $(call given,$(2)),--$(1) $(call quote,$($(2))))
task     = $(if $(call given,TASK),$(call quote,$(TASK)))
places   = $(call option,runs,RUNS) $(call option,reports,REPORTS)
settings = $(call option,data,DATA) $(call option,preset,PRESET) $(call option,arch,ARCH) \
           $(call option,tuner,TUNER) $(call option,trials,TRIALS) $(call option,seeds,SEEDS) \
           $(call option,folds,FOLDS) $(call option,workers,WORKERS) $(call option,cluster,CLUSTER) \
           $(call option,budget,BUDGET) $(call option,weights,WEIGHTS) $(call option,preprocess,PREPROCESS) \
           $(call option,precision,PRECISION)

# A name on the command line that nothing asks for is a slip, and would otherwise be passed over.
known    = TASK DATA NAME PRESET ARCH TUNER TRIALS SEEDS FOLDS WORKERS PRECISION CLUSTER BUDGET PREPROCESS WEIGHTS \
           MODEL INPUT OUTPUT RUNS REPORTS A B FILES PERF TORTURE PYTHON VENV SHELL
unknown := $(filter-out $(known),$(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name))))
$(if $(unknown),$(error found $(unknown); expected some of $(known)))

.DEFAULT_GOAL := help
.PHONY: help contract bench data check pretrain predict export report status compare tensorboard list perf torture test test-fast lint format lock clean

help: ## list targets and variables
	@echo 'usage: make TARGET [VARIABLE=value ...]'
	@echo; echo 'targets:'
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s%s\n", $$1, $$2}'
	@echo; echo 'variables:'
	@sed -n 's/^#: \([A-Z]*\) \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s%s\n", $$1, $$2}'

#: TASK what to compare on; `make list` names the tasks; or path/to/task.py
#: DATA your data, a folder or a file; without it builtin ones (of digits fetched ones, if there are)
#: NAME which public set `make data` fetches, where a task has several
#: PRESET how much work: smoke (a minute), quick (default; up to seven minutes on two cores), full (up to hours)
#: ARCH architectures, parted by commas, or path/to/net.py (default: the task's candidates)
#: TUNER how hyperparameters are searched: random (default), bayesian, hyperband, grid
#: TRIALS trials of each search; raised later, a sweep goes on from what is there
#: SEEDS refits of each winner; may be raised later
#: FOLDS divisions of the subjects; 1 is one hold-out; may be raised later; sites tests each in turn
#: WORKERS worker processes (default: one a GPU, else one a core; 0: all in one process)
#: PRECISION float32 (default), or mixed: bfloat16 inside networks, faster on GPUs
#: CLUSTER address of a Dask scheduler, such as tcp://host:8786, instead of WORKERS
#: BUDGET time after which a sweep ends in order: 90s, 30m, 2h
#: PREPROCESS choices of preprocessing that differ from the task's: normalisation=none,crop=off
#: WEIGHTS folder with pretrained weights, for transfer from ImageNet
#: MODEL a candidate of the latest sweep for predict or export (default: its best); predict: also ensemble, or a folder
#: INPUT what predict is applied to: an image, or a folder of images
#: OUTPUT where predict writes its table, export its folder
#: RUNS where the state of sweeps lives (default: runs)
#: REPORTS where tables and figures go (default: reports)

bench: $(VENV)/.bench ## sweep a task's candidates and write its report, or go on with that
	@$(python) -m bench bench $(task) $(settings) $(places)

data: $(VENV)/.bench ## fetch a task's public data, verified
	@$(python) -m bench data $(task) $(call option,name,NAME)

check: $(VENV)/.bench ## verify your data and look for what would make results untrue
	@$(python) -m bench check $(task) $(call option,data,DATA) $(call option,runs,RUNS)

pretrain: $(VENV)/.bench ## train a network on generated images alone and save it
	@$(python) -m bench pretrain $(task) $(call option,preset,PRESET) $(call option,arch,ARCH) $(call option,preprocess,PREPROCESS) $(call option,runs,RUNS)

predict: $(VENV)/.bench ## apply a network to new scans, INPUT=...; writes a CSV and pictures
	@$(python) -m bench predict $(task) $(call option,model,MODEL) $(call option,arch,ARCH) $(call option,input,INPUT) $(call option,output,OUTPUT) $(call option,runs,RUNS)

export: $(VENV)/.bench ## write a tested network as Keras, LiteRT and ONNX, with a model card
	@$(python) -m bench export $(task) $(call option,model,MODEL) $(call option,output,OUTPUT) $(call option,runs,RUNS)

report: $(VENV)/.bench ## write the report of a task's latest sweep again
	@$(python) -m bench report $(task) $(places)

status: $(VENV)/.bench ## what a task's latest sweep has done, is doing and has left
	@$(python) -m bench status $(task) $(call option,runs,RUNS)

compare: $(VENV)/.bench ## compare two run folders or report JSONs, A=... B=...
	@$(python) -m bench compare $(call quote,$(call given,A)) $(call quote,$(call given,B))

list: $(VENV)/.bench ## list tasks, candidates and architectures
	@$(python) -m bench list

tensorboard: $(VENV)/.tensorboard ## show a task's latest sweep in TensorBoard's HParams view
	@$(python) -m bench tensorboard $(task) $(call option,runs,RUNS)

perf: $(VENV)/.dev ## measure speed side by side into performance.md, PERF="PART ..." (all: hours)
	@$(python) -m tests.perf $(call given,PERF)

torture: $(VENV)/.dev ## kill sweeps at random moments and compare what comes out (an hour)
	@$(python) -m tests.torture $(call given,TORTURE)

test: $(VENV)/.dev ## run all tests
	@$(python) -m pytest -n 2 --dist loadscope --no-loadscope-reorder -q

contract: $(VENV)/.dev ## run the contract tests over files of your own, FILES=path/net.py,path/task.py
	@CONTRACT_FILES=$(call quote,$(call given,FILES)) $(python) -m pytest -q tests/architectures/test_architecture_contract.py \
	    tests/bench/tasks/test_task_contract.py

test-fast: $(VENV)/.dev ## run the fast tests
	@$(python) -m pytest -n 2 --dist loadscope --no-loadscope-reorder -q -m "not slow"

lint: $(VENV)/.dev ## check format, style and types
	@$(python) -m ruff format --check .
	@$(python) -m ruff check .
	@$(python) -m mypy

format: $(VENV)/.dev ## format the code
	@$(python) -m ruff format .
	@$(python) -m ruff check --fix .

lock: $(VENV)/.dev ## resolve the dependencies anew into requirements.lock
	@$(python) -m pip install -q uv
	@$(VENV)/bin/uv pip compile -q --universal --all-extras --python-version 3.11 --upgrade --no-header \
	    --no-annotate pyproject.toml -o requirements.lock

clean: ## delete the environment; runs and reports stay
	rm -rf $(VENV)

# The lock pins what is installed; each stamp says which extras are in the environment.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "make: found Python %d.%d; expected 3.11 or later: set PYTHON=" % sys.version_info[:2])'
	@$(PYTHON) -m venv $(VENV)

define install
	@echo 'installing into $(VENV) (once; some minutes)'
	@$(python) -m pip install -q --disable-pip-version-check -c requirements.lock -e '.[$(1)]'
	@touch $@
endef

$(VENV)/.bench: $(VENV)/bin/python requirements.lock pyproject.toml
	$(call install,runtimes)

$(VENV)/.tensorboard: $(VENV)/.bench
	$(call install,tensorboard)

$(VENV)/.dev: $(VENV)/bin/python requirements.lock pyproject.toml
	$(call install,dev)
	@touch $(VENV)/.bench

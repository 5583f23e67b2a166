#!/usr/bin/env bash
# All that only a GPU can show, by one command, made to fit into eight minutes, without a network:
#
#     tools/lab/gpu_check.sh [FOLDER] [OPTIONS]      # FOLDER/gpu_check.json, FOLDER/gpu_check.md; default: work_dirs
#
# It takes the environment that PYTHON names, by default .venv/onedl if it is there, else python3: torch, triton and timm
# have to be in it; pytest, torchvision, antialiased-cnns and mmseg are used where they are.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=.venv/onedl/bin/python
[ -x "$python" ] || python=python3
PYTHONPATH="$PWD:$PWD/tools${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-$python}" -m lab.gpu_check "$@"

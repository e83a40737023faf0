#!/usr/bin/env bash
# Gets what compiling for CUDA needs from PyPI, without a GPU, a driver or root: the compiler and headers of CUDA 13.0, because a driver for 13.0
# refuses code from a newer compiler.
#
#   tools/cuda/fetch.sh FOLDER    prints the settings to put into the environment
set -euo pipefail

folder="$(mkdir -p "$1" && cd "$1" && pwd)"
toolkit="$folder/nvidia/cu13"
if [ ! -x "$toolkit/bin/nvcc" ]; then
    python3 -m venv "$folder/venv" >&2
    "$folder/venv/bin/pip" install --quiet --target "$folder" \
        "nvidia-cuda-nvcc==13.0.*" "nvidia-nvvm==13.0.*" "nvidia-cuda-crt==13.0.*" "nvidia-cuda-runtime==13.0.*" \
        "nvidia-cuda-cccl==13.0.*" "nvidia-curand" >&2
fi
# Where build scripts look for them.
[ -e "$toolkit/lib64" ] || ln -s lib "$toolkit/lib64"
cat <<SETTINGS
export CUDA_HOME="$toolkit" CUDA_PATH="$toolkit" CUDA_ROOT="$toolkit" CUDA_TOOLKIT_ROOT_DIR="$toolkit"
export NVCC="$toolkit/bin/nvcc" PATH="$toolkit/bin:\$PATH"
export CUDA_COMPUTE_CAP="\${CUDA_COMPUTE_CAP:-80}"
SETTINGS

#!/usr/bin/env bash
# The tests that need a GPU, and the speed of many adapters on a base of 8 billion parameters, within ten minutes.
#
#   benchmarks/gpu.sh [--wheels DIR] [--out FILE] [--budget MINUTES] [--dry-run]
#
# --wheels   use the wheels in DIR, put into build/gpu/wheels: whatever the machine lacks of torch, triton, transformers,
#            peft, bitsandbytes and what these need (pip download fills such a folder). No network is asked.
# --out      where the figures go; benchmarks/results/gpu.json unless given. It is written anew after each part.
# --budget   minutes for all of it, the tests and the installing too; 9 unless given.
# --dry-run  everything once on whatever there is, at a tiny size: a machine without a GPU says whether it would run.
#
# PYTHON names another interpreter than python3. 0: all passed; 1: a test or a part failed; 2: no GPU, or a wrong word.
set -euo pipefail

began=$SECONDS
wheels='' out='' budget=9 dry=''
while (($#)); do
  case $1 in
    --wheels) wheels=$(realpath "${2:?--wheels needs a folder}"); shift 2 ;;
    --out) out=$(realpath -m "${2:?--out needs a file}"); shift 2 ;;
    --budget) budget=${2:?--budget needs minutes}; shift 2 ;;
    --dry-run) dry=--dry-run; shift ;;
    *) echo "unknown: $1; see the first lines of $0" >&2; exit 2 ;;
  esac
done
cd "$(dirname "$0")/.."
if [[ ! $out ]]; then
  [[ $dry ]] && out=build/gpu/dry-run.json || out=benchmarks/results/gpu.json
fi

python=${PYTHON:-python3}
if ! nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null; then
  [[ $dry ]] || { echo "nvidia-smi finds no GPU; --dry-run needs none" >&2; exit 2; }
fi
path=$PWD
if [[ $wheels ]]; then
  "$python" -m pip install --quiet --disable-pip-version-check --no-index --no-deps --upgrade \
    --target build/gpu/wheels "$wheels"/*.whl
  path=$PWD:$PWD/build/gpu/wheels
fi

export PYTHONPATH=$path HF_HUB_OFFLINE=1 GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-1000}
failed=0
# Seconds that are left of a share of the budget.
left() { awk "BEGIN { print $budget * 60 * $1 - ($SECONDS - $began) }"; }
mapfile -t tests < <(grep -rl --include='test_*.py' 'mark\.gpu' tests/adapters)
timeout "$(left 0.4)" "$python" -m pytest -q -p no:cacheprovider -m gpu "${tests[@]}" || failed=1
# It begins no part in the last minute, and is stopped at the end: what was written until then counts.
minutes=$(awk "BEGIN { print ($(left 1) - 60) / 60 }")
timeout "$(left 1)" "$python" -m benchmarks.gpu $dry --out "$out" --budget "$minutes" || failed=1
echo "$out"
exit $failed

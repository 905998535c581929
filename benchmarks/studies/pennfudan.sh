#!/usr/bin/env bash
# The Penn-Fudan rows of docs/results.md: trains R50-FPN from ImageNet weights, prunes it at 0.1 … 0.5, raw and repaired from 64 (IMAGES) unlabelled
# training photos, and measures each on the 50 test photos. Every step is skipped when its file is there, so a broken run continues.
#
#   FILTERPRUNING_DATA=/data benchmarks/studies/pennfudan.sh [OUT]        # OUT defaults to out/pennfudan; about an hour on 2 cores
set -euo pipefail
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
data=${FILTERPRUNING_DATA:?set FILTERPRUNING_DATA to the folder that holds pennfudan/ and weights/ (see README.md)}
out=${1:-out/pennfudan}
mkdir -p "$out"
dotnet build src/FilterPruning.Cli -c Release --nologo -v quiet
tool() { dotnet src/FilterPruning.Cli/bin/Release/net10.0/filter-pruning.dll "$@"; }
photos=$data/pennfudan/PennFudanPed

dense=$out/dense.safetensors
if [ ! -f "$dense" ]; then
  tool train --init "$data/weights/resnet50_imagenet.safetensors" --data "$photos" --out "$dense" --resume --json > "$out/train.json"
fi
measure() { [ -s "$2" ] || { tool eval --weights "$1" --data "$photos" --json > "$2.part" && mv "$2.part" "$2"; }; }
measure "$dense" "$out/dense.eval.json"

for ratio in ${RATIOS:-0.1 0.2 0.3 0.4 0.5}; do
  for repair in raw repaired; do
    name=$out/l1-local-$ratio-$repair
    args=(--weights "$dense" --ratio "$ratio" --out "$name.safetensors" --json)
    [ "$repair" = raw ] || args+=(--repair "$photos" --images "${IMAGES:-64}")
    [ -s "$name.prune.json" ] || { tool prune "${args[@]}" > "$name.part" && mv "$name.part" "$name.prune.json"; }
    measure "$name.safetensors" "$name.eval.json"
  done
done

python3 benchmarks/studies/table.py "$out"

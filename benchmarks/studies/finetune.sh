#!/usr/bin/env bash
# Fine-tuning after pruning: half of the MACs removed and tuned for a quarter of the training, three quarters removed and tuned for half of it, each pruned with repair from unlabelled photos,
# beside the controls: the same widths trained from fresh weights, and from the initial weights cut by the plan, for the whole training. Every step is skipped when its file is there, and a broken
# training continues where it was. Prints a table; points go to OUT/finetune.jsonl.
#
#   FILTERPRUNING_DATA=/data benchmarks/studies/finetune.sh [OUT]              # Penn-Fudan, OUT defaults to out/finetune-pennfudan; some hours on 2 cores
#   DATA=shapescenes IMAGES=4 TRAIN_IMAGES=64 EVAL_IMAGES=20 benchmarks/studies/finetune.sh out/try     # a trial of some minutes on scenes
#
# DENSE names the dense detector (made by 'train' where it is not there). CUTS are pairs of what remains of the MACs and the budget; VARIANTS what tuned students learn from (both: labels and the
# dense model; labels; teacher: the dense model without labels); CONTROLS which controls are trained (fresh, sliced, or none). PRUNE and TUNE are further options for these commands.
set -euo pipefail
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
kind=${DATA:-pennfudan}
out=${1:-out/finetune-$kind}
mkdir -p "$out"
[ "${BUILD:-1}" = 0 ] || dotnet build src/FilterPruning.Cli -c Release --nologo -v quiet
tool() { dotnet "${TOOL:-src/FilterPruning.Cli/bin/Release/net10.0/filter-pruning.dll}" "$@"; }

if [ "$kind" = shapescenes ]; then
  photos=shapescenes
  init=()
  dense=${DENSE:-samples/checkpoints/shapescenes.safetensors}
  dataset=shapescenes model=shapescenes
else
  data=${FILTERPRUNING_DATA:?set FILTERPRUNING_DATA to the folder that holds pennfudan/ and weights/ (see README.md)}
  photos=$data/pennfudan/PennFudanPed
  init=(--init "$data/weights/resnet50_imagenet.safetensors")
  dense=${DENSE:-$out/dense.safetensors}
  dataset=pennfudan model=maskrcnn_resnet50_fpn
fi
train_images=(${TRAIN_IMAGES:+--images "$TRAIN_IMAGES"})
eval_images=(${EVAL_IMAGES:+--images "$EVAL_IMAGES"})

# keep RESULT COMMAND…: runs a command whose standard output is the result, once.
keep() { local result=$1; shift; [ -s "$result" ] || { tool "$@" > "$result.part" && mv "$result.part" "$result"; }; }
measure() { keep "$1.eval.json" eval --weights "$2" --data "$photos" "${eval_images[@]}" --json; }

[ -f "$dense" ] || keep "$out/dense.train.json" train "${init[@]}" --data "$photos" --out "$dense" --resume --json
measure "$out/dense" "$dense"
sha256sum "$dense" | cut -c1-12 > "$out/dense.sha"

cuts=${CUTS:-0.5:0.25 0.25:0.5}
for cut in $cuts; do
  remains=${cut%%:*} budget=${cut##*:}
  small=$out/macs-$remains
  keep "$small.prune.json" prune --weights "$dense" --target-macs "$remains" --criterion "${CRITERION:-l1}" --scope "${SCOPE:-local}" ${PRUNE:-} \
    --repair "$photos" --images "${IMAGES:-64}" --out "$small.safetensors" --json
  measure "$small" "$small.safetensors"

  for variant in ${VARIANTS:-both}; do
    name=$small-tuned-$variant
    teach=(--teacher "$dense")
    case $variant in
      labels) teach=() ;;
      teacher) teach+=(--no-labels) ;;
    esac
    keep "$name.train.json" finetune --weights "$small.safetensors" "${teach[@]}" ${TUNE:-} --data "$photos" "${train_images[@]}" --budget "$budget" --out "$name.safetensors" --resume --json
    measure "$name" "$name.safetensors"
  done

  for control in ${CONTROLS-fresh sliced}; do
    name=$small-control-$control
    start=()
    if [ "$control" = sliced ]; then
      start=("${init[@]}")
      [ "${#init[@]}" -gt 0 ] || start=(--sliced)
    fi
    keep "$name.train.json" train --like "$small.safetensors" "${start[@]}" --data "$photos" "${train_images[@]}" --out "$name.safetensors" --resume --json
    measure "$name" "$name.safetensors"
  done
done

python3 benchmarks/studies/finetune.py "$out" "$dataset" "$model" "${CRITERION:-l1}" "${SCOPE:-local}" "${IMAGES:-64}" "$cuts"

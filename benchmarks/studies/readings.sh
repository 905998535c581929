#!/usr/bin/env bash
# The tables of docs/results/readings.md: what "40 % of the filters" can mean, what each reading removes, and what is left of the accuracy.
#
#   benchmarks/studies/readings.sh [OUT]                  # counts for 91 classes and on ShapeScenes: a minute on 2 cores
#   DENSE=dense.safetensors benchmarks/studies/readings.sh [OUT]                                     # and on trained weights: a minute more
#   DENSE=dense.safetensors FILTERPRUNING_DATA=/data benchmarks/studies/readings.sh [OUT]            # and measured on 25 photos: ten minutes more
set -euo pipefail
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:-out/readings}
mkdir -p "$out"
dotnet build src/FilterPruning.Cli -c Release --nologo -v quiet
# A table is written at once when it is there, so that a run that is stopped goes on where it was.
table() { local file=$1; shift; [ -s "$out/$file" ] || { dotnet src/FilterPruning.Cli/bin/Release/net10.0/filter-pruning.dll study-readings "$@" > "$out/$file.part" && mv "$out/$file.part" "$out/$file"; }; }
scenes=samples/checkpoints/shapescenes.safetensors

table classes91.md --model maskrcnn_resnet50_fpn --classes 91
table shapescenes.md --weights "$scenes"
measure=()
for reading in dense {inner,backbone,all}/global-raw/0 inner/global-raw/{0.1,0.3,0.5} inner/{global-mean,local}/0 fc/{global-raw,local}/0 heads/global-raw/0 stage4/{global-raw,local}/0; do
  measure+=(--measure "$reading")
done
table shapescenes-measured.md --weights "$scenes" --data shapescenes --images 100 --kernels "${measure[@]}"

if [ -n "${DENSE:-}" ]; then
  table pennfudan.md --weights "$DENSE"
  if [ -n "${FILTERPRUNING_DATA:-}" ]; then
    measure=()
    for reading in dense inner/global-raw/{0,0.1,0.3,0.5} inner/{local,global-mean}/0 stage4/global-raw/0.3 stage4/local/0 heads/local/0 stage3/global-raw/0 fpn/local/0; do
      measure+=(--measure "$reading")
    done
    table pennfudan-measured.md --weights "$DENSE" --data "$FILTERPRUNING_DATA/pennfudan/PennFudanPed" --images 25 --kernels "${measure[@]}"
  fi
fi
for file in "$out"/*.md; do
  printf '\n## %s\n\n' "$(basename "$file" .md)"
  cat "$file"
done

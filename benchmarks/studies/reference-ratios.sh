#!/usr/bin/env bash
# The parameter table of docs/results.md: Mask R-CNN R50-FPN, 91 classes, freshly initialised, pruned at nine ratios, local and global, at 128 px.
#
#   benchmarks/studies/reference-ratios.sh [OUT]        # OUT defaults to out/reference-ratios; about five minutes on 2 cores
set -euo pipefail
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=${1:-out/reference-ratios}
mkdir -p "$out"
dotnet build src/FilterPruning.Cli -c Release --nologo -v quiet
for scope in local global; do
  for ratio in 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9; do
    file=$out/$scope-$ratio.json
    [ -s "$file" ] && continue
    dotnet src/FilterPruning.Cli/bin/Release/net10.0/filter-pruning.dll prune --model maskrcnn_resnet50_fpn --size 128 --ratio "$ratio" --scope "$scope" \
      --out "$out/pruned.safetensors" --json > "$file.part" 2>/dev/null
    mv "$file.part" "$file"
  done
done
rm -f "$out/pruned.safetensors"
python3 - "$out" <<'PY'
import json, pathlib, sys
other = {0.1: 35.96, 0.2: 28.42, 0.3: 21.85, 0.4: 16.07, 0.5: 11.25, 0.6: 7.20, 0.7: 4.07, 0.8: 1.85, 0.9: 0.48}
folder = pathlib.Path(sys.argv[1])
print("| ratio | other library, local, M | ours, local, M | difference | MACs, local | ours, global, M | MACs, global | proof, local |")
print("|---|---|---|---|---|---|---|---|")
for ratio, reference in other.items():
    local, world = (json.loads((folder / f"{scope}-{ratio}.json").read_text()) for scope in ("local", "global"))
    ours = local["parameters"]["after"] / 1e6
    share = lambda result: result["macs"]["after"] / result["macs"]["before"]
    print(f"| {ratio} | {reference:.2f} | {ours:.2f} | {ours / reference - 1:+.1%} | {share(local):.1%} | {world['parameters']['after'] / 1e6:.2f} | {share(world):.1%} | {local['proofError']:.0e} |")
PY

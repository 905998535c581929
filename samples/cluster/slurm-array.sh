#!/bin/bash
#SBATCH --job-name=filter-pruning
#SBATCH --array=1-8
#SBATCH --cpus-per-task=2
#SBATCH --mem=12G
#SBATCH --time=12:00:00
#SBATCH --output=%x-%A-%a.log

# One part of a study or a scan for each task of a Slurm array.
#
#   sbatch slurm-array.sh study RESULTS --data PennFudanPed --weights dense.safetensors
#   sbatch --array=3 slurm-array.sh study RESULTS --data PennFudanPed --weights dense.safetensors     # the third again
#   SHARDS=20 sbatch --array=1-20 slurm-array.sh scan RESULTS --data PennFudanPed --weights dense.safetensors
#
# RESULTS is a folder that all tasks see; each writes a file of its own there and goes on with it when it is started again.
# The number of parts is SHARDS, not the size of the array: a single task that is run again must still know that it is one of eight.
set -euo pipefail

verb=$1
results=$2
shift 2
shards=${SHARDS:-8}
tool=${FILTER_PRUNING:-filter-pruning}

export OMP_NUM_THREADS=${SLURM_CPUS_PER_TASK:-2}
mkdir -p "$results"
exec $tool "$verb" "$@" --shard "$SLURM_ARRAY_TASK_ID/$shards" --out "$results/shard-$SLURM_ARRAY_TASK_ID.jsonl"

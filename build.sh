#!/usr/bin/env bash
# The one script that people, continuous integration and the README run. `./build.sh help` lists the commands.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
# Threads that wait for one another sleep instead of spinning: much faster whenever anything else runs on the machine.
export OMP_WAIT_POLICY=${OMP_WAIT_POLICY:-PASSIVE}
CONFIGURATION=${CONFIGURATION:-Release}
NEEDED_SDK=10
NEEDED_GLIBCXX=GLIBCXX_3.4.32

say() { printf '%s\n' "$*" >&2; }
fail() { say "build.sh: $*"; exit 1; }

usage() {
  cat <<'TEXT'
usage: ./build.sh COMMAND

  demo [--out DIR]   prune the shipped Mask R-CNN, repair it, and write a report to out/demo (under 3 minutes)
  test               build everything and run all tests
  pack               make the NuGet packages in artifacts/packages
  bench [ARGS]       run the benchmark suites (short jobs) and measure the goals into benchmarks/results (under 20 minutes)
  format [--check]   format the code, or only check that it is formatted
  notebooks          execute the notebooks and store their outputs in them
  report [--check]   make docs/results.md's tables and curves from docs/results/*.jsonl, or only check the tables
  fuzz [READER…]     give the readers of files millions of broken inputs, guided by coverage (options: --inputs N, --seconds S for each, --seed N)
  reliability [kills|leaks|threads] [--rounds N] [--seed S] [--only PART,PART]
                     the long runs of docs/reliability.md: processes killed, memory watched, threads compared (hours without --rounds)
  zoo                check every model of the zoo and write docs/zoo.md
  readme-example     build and run the README's example against the packed packages
  check              only check (and where possible repair) what the machine needs

Tests and studies on real data read the folder named by FILTERPRUNING_DATA; without it they are reported as skipped.
TEXT
}

# --- what the machine needs -------------------------------------------------------------------------------------------

check_dotnet() {
  if ! command -v dotnet >/dev/null && [ -x "$HOME/.dotnet/dotnet" ]; then export PATH="$HOME/.dotnet:$PATH"; fi
  command -v dotnet >/dev/null || fail "the .NET SDK $NEEDED_SDK is needed and 'dotnet' is not on the PATH.
  Install it from https://dotnet.microsoft.com/download/dotnet/$NEEDED_SDK.0 (the page has one command for each system), then run this again."
  dotnet --list-sdks | grep -q "^$NEEDED_SDK\." || fail "the .NET SDK $NEEDED_SDK is needed; installed are: $(dotnet --list-sdks | cut -d' ' -f1 | paste -sd' ').
  Install it from https://dotnet.microsoft.com/download/dotnet/$NEEDED_SDK.0, then run this again."
}

libstdcxx_is_new_enough() {
  local lib
  lib=$(ldconfig -p 2>/dev/null | awk '/libstdc\+\+\.so\.6 .*x86-64/ {print $NF; exit}')
  [ -n "$lib" ] && grep -qa "$NEEDED_GLIBCXX" "$lib"
}

# TorchSharp's native library needs a newer C++ runtime than Debian 12 has. Debian 13's is taken from the mirror that is
# already configured, pinned so low that nothing else is taken from it by itself.
install_libstdcxx() {
  local codename mirror run=()
  codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
  if [ "$codename" != bookworm ] || ! command -v apt-get >/dev/null; then
    fail "TorchSharp needs a C++ runtime with $NEEDED_GLIBCXX (GCC 13 or later), and this system's libstdc++ is older.
  Use a system with GCC 13's libstdc++ (Debian 13, Ubuntu 24.04, Fedora 39 or later), or install a newer libstdc++6."
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then run=(sudo); else
      fail "TorchSharp needs a C++ runtime with $NEEDED_GLIBCXX. On Debian 12 it comes from Debian 13's libstdc++6; this needs root once:
  run 'sudo ./build.sh check', then this again."
    fi
  fi
  say "Installing libstdc++6 from Debian 13 (TorchSharp needs $NEEDED_GLIBCXX) ..."
  mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' | awk '$2 == "bookworm" {print $1; exit}')
  [ -n "$mirror" ] || { "${run[@]}" apt-get update -q >&2; mirror=$(apt-get indextargets --format '$(REPO_URI) $(RELEASE)' | awk '$2 == "bookworm" {print $1; exit}'); }
  [ -n "$mirror" ] || fail "no Debian mirror is configured for apt, so libstdc++6 cannot be installed. Configure one and run this again."
  printf 'Types: deb\nURIs: %s\nSuites: trixie\nComponents: main\nSigned-By: /usr/share/keyrings/debian-archive-keyring.gpg\n' "$mirror" \
    | "${run[@]}" tee /etc/apt/sources.list.d/filterpruning-trixie.sources >/dev/null
  printf 'Package: *\nPin: release n=trixie\nPin-Priority: 100\n' \
    | "${run[@]}" tee /etc/apt/preferences.d/filterpruning-trixie >/dev/null
  "${run[@]}" apt-get update -q >&2
  "${run[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q -t trixie libstdc++6 >&2
  libstdcxx_is_new_enough || fail "libstdc++6 was installed but $NEEDED_GLIBCXX is still missing."
}

check_machine() {
  check_dotnet
  if [ "$(uname -s)" = Linux ] && [ "$(uname -m)" = x86_64 ] && ! libstdcxx_is_new_enough; then install_libstdcxx; fi
}

# --- commands ---------------------------------------------------------------------------------------------------------

build() { dotnet build FilterPruning.sln -c "$CONFIGURATION" --nologo -v minimal "$@"; }

cmd_test() {
  check_machine
  build
  local project failed=0
  for project in tests/*/*.csproj; do
    if grep -q '<IsTestProject>false' "$project"; then continue; fi
    say "== $(basename "$project" .csproj)"
    dotnet test --project "$project" -c "$CONFIGURATION" --no-build "$@" || failed=1
  done
  [ "$failed" -eq 0 ] || fail "tests failed (see above)."
}

# The report's plot needs one font; a bare server has none.
check_fonts() {
  [ "$(uname -s)" = Linux ] || return 0
  find /usr/share/fonts /usr/local/share/fonts "$HOME/.fonts" -name '*.[to]tf' 2>/dev/null | grep -q . && return 0
  if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "Installing fonts-dejavu-core for the report's plot ..."
    { apt-get install -y -q fonts-dejavu-core || { apt-get update -q && apt-get install -y -q fonts-dejavu-core; }; } >&2 || true
  else
    say "No font is installed: the report's plot will have no text. Install one, for instance fonts-dejavu-core."
  fi
}

cmd_demo() {
  check_machine
  check_fonts
  dotnet build src/FilterPruning.Cli -c "$CONFIGURATION" --nologo -v quiet
  dotnet run --project src/FilterPruning.Cli -c "$CONFIGURATION" --no-build -- demo "$@"
}

cmd_pack() {
  check_machine
  rm -rf artifacts/packages
  local project
  for project in src/FilterPruning src/FilterPruning.Detection; do
    dotnet pack "$project" -c "$CONFIGURATION" --nologo -v quiet -o artifacts/packages
  done
  # The tool leaves libtorch out (half a gigabyte); it finds or fetches it on the first run.
  dotnet pack src/FilterPruning.Cli -c "$CONFIGURATION" --nologo -v quiet -o artifacts/packages -p:WithLibTorch=false
  ls -l artifacts/packages
}

# Without arguments: all suites with short jobs, then all goals, one table, and the summary of the goals. With arguments: whatever they name, for
# instance `bench goals scoring --quick` or `bench --filter '*FilterNorm*'`. BENCH_CORES=0,1 pins everything to those cores.
cmd_bench() {
  check_machine
  local project=benchmarks/FilterPruning.Benchmarks pin=()
  if [ -n "${BENCH_CORES:-}" ]; then pin=(taskset -c "$BENCH_CORES"); fi
  dotnet build "$project" -c Release --nologo -v quiet
  if [ $# -gt 0 ]; then
    "${pin[@]}" dotnet run --project "$project" -c Release --no-build -- "$@"
  else
    "${pin[@]}" dotnet run --project "$project" -c Release --no-build -- --short --filter '*' --results benchmarks/results
    "${pin[@]}" dotnet run --project "$project" -c Release --no-build -- goals --out benchmarks/results/summary.json
  fi
}

cmd_format() {
  check_machine
  if [ "${1:-}" = --check ]; then dotnet format FilterPruning.sln --verify-no-changes; else dotnet format FilterPruning.sln; fi
}

cmd_notebooks() {
  check_machine
  build -v quiet
  FILTERPRUNING_UPDATE_NOTEBOOKS=1 dotnet test --project tests/FilterPruning.PublicApi.Tests -c "$CONFIGURATION" --no-build -- --filter-class '*NotebookTests'
}

cmd_report() {
  check_dotnet
  check_fonts
  dotnet build src/FilterPruning.Cli -c "$CONFIGURATION" --nologo -v quiet
  dotnet run --project src/FilterPruning.Cli -c "$CONFIGURATION" --no-build -- report docs/results --out docs/results --document docs/results.md "$@"
}

cmd_zoo() {
  check_machine
  dotnet build tests/FilterPruning.Zoo.Tests -c "$CONFIGURATION" --nologo -v quiet
  FILTERPRUNING_ZOO_TABLE="$PWD/docs/zoo.md" dotnet test --project tests/FilterPruning.Zoo.Tests -c "$CONFIGURATION" --no-build -- --filter-class '*ZooTests'
}

# Instruments a copy of the assemblies in the program's own output folder; the libraries themselves are left alone.
cmd_fuzz() {
  check_machine
  local project=tests/FilterPruning.Fuzz
  dotnet build "$project" -c Release --nologo -v quiet
  dotnet "$project/bin/Release/net10.0/FilterPruning.Fuzz.dll" instrument
  say "| reader | inputs | seed | read | edges | kept | most bytes | seconds | inputs/s | findings |"
  OMP_NUM_THREADS=1 dotnet "$project/bin/Release/net10.0/FilterPruning.Fuzz.dll" "$@" --corpus tests/fixtures/fuzz --out out/fuzz
}

cmd_reliability() {
  check_machine
  dotnet build tests/FilterPruning.Reliability -c "$CONFIGURATION" --nologo -v quiet
  dotnet run --project tests/FilterPruning.Reliability -c "$CONFIGURATION" --no-build -- "$@"
}

cmd_readme_example() {
  check_machine
  tests/package/readme-example.sh
}

command=${1:-help}
[ $# -gt 0 ] && shift
case "$command" in
  demo) cmd_demo "$@" ;;
  test) cmd_test "$@" ;;
  pack) cmd_pack ;;
  bench) cmd_bench "$@" ;;
  format) cmd_format "$@" ;;
  notebooks) cmd_notebooks ;;
  report) cmd_report "$@" ;;
  fuzz) cmd_fuzz "$@" ;;
  zoo) cmd_zoo ;;
  reliability) cmd_reliability "$@" ;;
  readme-example) cmd_readme_example ;;
  check) check_machine && say "This machine has what is needed." ;;
  help | -h | --help) usage ;;
  *) usage >&2; fail "unknown command '$command'." ;;
esac

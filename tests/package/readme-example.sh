#!/usr/bin/env bash
# Builds and runs the README's example as a stranger would: a fresh console project that adds the packed packages from a
# local feed. The example is the first C# block after the line <!-- example -->.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
root=$PWD
feed=$root/artifacts/packages
[ -d "$feed" ] || { echo "readme-example: $feed is missing; run ./build.sh pack first." >&2; exit 1; }
version=$(sed -n 's:.*<Version>\(.*\)</Version>.*:\1:p' Directory.Build.props)
torchsharp=$(sed -n 's:.*"TorchSharp-cpu" Version="\([^"]*\)".*:\1:p' Directory.Packages.props)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A package of the same version from an earlier run must not be taken from the cache.
packages=$(dotnet nuget locals global-packages --list | sed 's/^[^:]*: //')
rm -rf "${packages%/}/filterpruning/$version" "${packages%/}/filterpruning.detection/$version"

cd "$work"
dotnet new console --output app --framework net10.0 >/dev/null
cd app
cat > nuget.config <<XML
<configuration>
  <packageSources>
    <add key="packed" value="$feed" />
  </packageSources>
</configuration>
XML
awk '/<!-- example -->/ {found = 1} found && /^```csharp/ {inside = 1; next} inside && /^```/ {exit} inside {print}' "$root/README.md" > Program.cs
[ -s Program.cs ] || { echo "readme-example: README.md has no C# block after <!-- example -->." >&2; exit 1; }
sed -i 's:</PropertyGroup>:<UseCurrentRuntimeIdentifier>true</UseCurrentRuntimeIdentifier><SelfContained>false</SelfContained><CreateHardLinksForCopyLocalIfPossible>true</CreateHardLinksForCopyLocalIfPossible></PropertyGroup>:' app.csproj
dotnet add package FilterPruning --version "$version" >/dev/null
dotnet add package FilterPruning.Detection --version "$version" >/dev/null
dotnet add package TorchSharp-cpu --version "$torchsharp" >/dev/null
dotnet run | tee output.txt
grep -q 'parameters' output.txt || { echo "readme-example: the example ran but printed no report." >&2; exit 1; }
echo "readme-example: the README's example runs against FilterPruning $version."

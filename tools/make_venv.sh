#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# make_venv.sh DIR REQUIREMENTS…: a virtual environment in which `import ray` finds this repository's
# python/, the commands ray, serve and model-service run, and the requirement "ray" counts as satisfied.
set -euo pipefail

venv=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)

# The base interpreter: at least 3.11, with the headers that the extension needs.
usable='import os, sys, sysconfig
sys.exit(not (sys.version_info >= (3, 11) and os.path.exists(sysconfig.get_path("include") + "/Python.h")))'
base=
for candidate in python3 /usr/bin/python3 python3.11 python3.12 python3.13; do
    if path=$(command -v "$candidate") && "$path" -c "$usable" 2>/dev/null; then
        base=$path
        break
    fi
done
if [ -z "$base" ]; then
    echo "No Python >= 3.11 with its headers was found (Debian: python3 python3-dev python3-venv)." >&2
    exit 1
fi

echo "Making $venv from $("$base" --version)"
rm -rf "$venv"
"$base" -m venv "$venv"
arguments=()
for file in "$@"; do arguments+=(--requirement "$file"); done
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check "${arguments[@]}" </dev/null

site=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
echo "$root/python" >"$site/model_service.pth"

# A distribution that is only metadata: packages that ask for ray[serve] are content with it.
version=2.53.0+model.service
info=$site/ray-$version.dist-info
mkdir -p "$info"
{
    printf 'Metadata-Version: 2.1\nName: ray\nVersion: %s\n' "$version"
    printf 'Summary: Model Service under the names of Ray and Ray Serve\n'
    for extra in default serve serve-grpc data train tune rllib client all; do
        printf 'Provides-Extra: %s\n' "$extra"
    done
} >"$info/METADATA"
echo model-service >"$info/INSTALLER"
: >"$info/RECORD"

for name in model-service ray serve; do
    ln -sfn "../../bin/$name" "$venv/bin/$name"
done

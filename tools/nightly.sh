#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The slow analysers over the whole of the C code: gcc -fanalyzer and cppcheck.  What they say is compared with
# tools/nightly_known.txt, one "file kind" a line, where each line was looked at and is not a fault.
set -euo pipefail
cd "$(dirname "$0")/.."

build=build/analyze
log=build/logs/nightly.log
mkdir -p build/logs
rm -rf "$build"
meson setup "$build" -Dbuildtype=debug -Doptimization=1 -Dwerror=false -Dc_args=-fanalyzer \
    "-Dpython=$PWD/build/venv/bin/python" >/dev/null
ninja -C "$build" src/model-service >"$log" 2>&1
cppcheck --enable=warning --quiet --std=c11 --template='{file}: warning: [{id}]' -Isrc src python/ext bench \
    >>"$log" 2>&1
found=$(grep -E 'warning: ' "$log" | sed -E 's/^(\.\.\/)*//; s/^([^:]+):.*\[([^]]*)\]$/\1 \2/' | sort -u)
new=$(comm -23 <(printf '%s\n' "$found") <(sort -u tools/nightly_known.txt))
if [ -n "$new" ]; then
    printf 'new findings (all of it: %s):\n%s\n' "$log" "$new"
    exit 1
fi
echo 'nothing new'

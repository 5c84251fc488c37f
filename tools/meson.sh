#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# meson.sh DIR OPTION…: configures DIR once for these options (and again when they change) and builds it.
# CC may name the compiler; ccache is used where it is installed.
set -euo pipefail

dir=$1
shift
root=$(cd "$(dirname "$0")/.." && pwd)
cc=${CC:-gcc}
command -v ccache >/dev/null && cc="ccache $cc"
options=("$@" "-Dpython=$root/build/venv/bin/python")
wanted="$cc ${options[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT

if [ ! -f "$dir/build.ninja" ] || [ "$(cat "$dir/.options" 2>/dev/null)" != "$wanted" ]; then
    rm -rf "$dir"
    CC=$cc meson setup "$dir" "${options[@]}" >"$log" 2>&1 || { tail -30 "$log" >&2; exit 1; }
    echo "$wanted" >"$dir/.options"
fi
read -ra targets <<<"${TARGETS:-}" # all without
ninja -C "$dir" "${targets[@]}" >"$log" 2>&1 || { grep -v '^\[[0-9/]*\] \(Compiling\|Linking\)' "$log" | tail -60 >&2; exit 1; }
tail -1 "$log"

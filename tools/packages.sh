#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages listed in the given files, if one is missing: as root, or by sudo when
# that asks nothing; otherwise it says what to type and fails.
set -euo pipefail

command -v dpkg-query >/dev/null || exit 0 # not Debian: trust what is there
mapfile -t wanted < <(cat "$@")
have=$(dpkg-query --show --showformat='${db:Status-Abbrev} ${Package}\n' "${wanted[@]}" 2>/dev/null |
    sed -n 's/^ii *//p' || true)
missing=()
for package in "${wanted[@]}"; do
    grep -qxF "$package" <<<"$have" || missing+=("$package")
done
[ ${#missing[@]} -eq 0 ] && exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
        echo "These Debian packages are missing. Install them, then run make again:" >&2
        echo "    sudo apt-get install --no-install-recommends ${missing[*]}" >&2
        exit 1
    fi
    as_root=(sudo)
fi
echo "Installing ${#missing[@]} Debian packages: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! { "${as_root[@]}" apt-get update &&
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get install --yes --no-install-recommends "${missing[@]}"; } </dev/null >"$log" 2>&1; then
    tail -20 "$log" >&2
    exit 1
fi

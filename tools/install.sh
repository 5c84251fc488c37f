#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install.sh BUILD-DIR: copies what was built to where people look for it: build/bin and python/model_service.
set -euo pipefail

dir=$1
program=$dir/src/model-service
extension=$dir/python/ext/_ext.abi3.so

# put FROM TO: by rename, and only when it differs: a running program keeps the file that it started from.
put() {
    cmp -s "$1" "$2" && return
    install -m 755 "$1" "$2.new"
    mv -f "$2.new" "$2"
}

mkdir -p build/bin
if [ -f "$program" ]; then
    put "$program" build/bin/model-service
    for name in ray serve; do ln -sfn model-service "build/bin/$name"; done
fi
if [ -f "$extension" ]; then put "$extension" python/model_service/_ext.abi3.so; fi

# Compiled once here: where PYTHONDONTWRITEBYTECODE is set every replica would compile all of it again.
if [ -x build/venv/bin/python ]; then build/venv/bin/python -m compileall -q python/model_service python/ray; fi

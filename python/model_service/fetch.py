# SPDX-License-Identifier: Apache-2.0
"""``python -m model_service.fetch URI FOLDER RESULT``: one archive of user code, unpacked by its content.

Started by the node for each ``working_dir`` and ``py_modules`` entry that is a zip. The archive ends up in
``FOLDER/<sha256>/``, without its top folder if it has only one, as Ray does it; what is there already is used.
RESULT is JSON: ``{"path": …}`` or ``{"error": …}``. Only the standard library is imported: this runs before any
environment exists.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
import zipfile
from typing import BinaryIO

PIECE = 1 << 20
MAX_ARCHIVE = 1 << 30
MAX_UNPACKED = 4 << 30
TIMEOUT_S = 60


class FetchError(Exception):
    """A sentence for the user."""


def fetch(uri: str, folder: str) -> str:
    """The folder that holds the archive's content. FetchError when there is none."""
    os.makedirs(folder, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, prefix="archive.") as archive:
        digest = hashlib.sha256()
        try:
            with _open(uri) as source:
                _copy(source, archive, digest)
        except urllib.error.HTTPError as e:
            raise FetchError(f"the server answers {e.code} {e.reason}") from None
        except OSError as e:
            raise FetchError(str(getattr(e, "reason", e))) from None
        archive.flush()
        return _unpack(archive.name, os.path.join(folder, digest.hexdigest()))


def _open(uri: str) -> BinaryIO:
    scheme = urllib.parse.urlsplit(uri).scheme
    if scheme in ("http", "https"):
        return urllib.request.urlopen(uri, timeout=TIMEOUT_S)
    path = urllib.parse.unquote(uri[len("file://") :]) if scheme == "file" else uri
    return open(path, "rb")


def _copy(source: BinaryIO, target: BinaryIO, digest: hashlib._Hash) -> None:
    size = 0
    while piece := source.read(PIECE):
        size += len(piece)
        if size > MAX_ARCHIVE:
            raise FetchError(f"it is larger than {MAX_ARCHIVE >> 20} MiB")
        digest.update(piece)
        target.write(piece)


def _unpack(archive: str, path: str) -> str:
    if os.path.isdir(path):
        return path
    beside = tempfile.mkdtemp(dir=os.path.dirname(path), prefix="unpacking.")
    try:
        try:
            with zipfile.ZipFile(archive) as z:
                if sum(entry.file_size for entry in z.infolist()) > MAX_UNPACKED:
                    raise FetchError(f"it unpacks to more than {MAX_UNPACKED >> 30} GiB")
                z.extractall(beside)  # names that would lead outside are made harmless by zipfile
        except (zipfile.BadZipFile, NotImplementedError, EOFError) as e:
            raise FetchError(f"it is no zip archive: {e}") from None
        os.chmod(beside, 0o755)
        try:
            os.rename(_top(beside), path)
        except OSError:
            if not os.path.isdir(path):  # else another fetch of the same content was first
                raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return path


def _top(folder: str) -> str:
    """The only folder in ``folder``, or ``folder`` itself."""
    entries = os.listdir(folder)
    only = os.path.join(folder, entries[0]) if len(entries) == 1 else folder
    return only if os.path.isdir(only) else folder


def main(uri: str, folder: str, result: str) -> int:
    try:
        answer = {"path": fetch(uri, folder)}
    except (FetchError, OSError) as e:
        answer = {"error": str(e)}
    with open(result, "w", encoding="utf-8") as file:
        json.dump(answer, file)
    return 0 if "path" in answer else 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))

# SPDX-License-Identifier: Apache-2.0
"""Archives of user code: fetched, unpacked by content, refused with a sentence."""

import json
import zipfile
from pathlib import Path

import pytest
from model_service import fetch


def archive(path: Path, files: dict[str, str]) -> Path:
    with zipfile.ZipFile(path, "w") as z:
        for name, text in files.items():
            z.writestr(name, text)
    return path


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"repo-main/app.py": "1", "repo-main/pkg/a.py": "2"}, {"app.py", "pkg"}),
        ({"app.py": "1", "pkg/a.py": "2"}, {"app.py", "pkg"}),
        ({"app.py": "1"}, {"app.py"}),
    ],
)
def test_the_only_top_folder_is_stripped(
    tmp_path: Path, files: dict[str, str], expected: set[str]
) -> None:
    path = fetch.fetch(f"file://{archive(tmp_path / 'a.zip', files)}", str(tmp_path / "code"))
    assert {p.name for p in Path(path).iterdir()} == expected


def test_the_same_content_is_one_folder_and_nothing_else_stays(tmp_path: Path) -> None:
    code = tmp_path / "code"
    one = fetch.fetch(f"file://{archive(tmp_path / 'a.zip', {'a.py': '1'})}", str(code))
    two = fetch.fetch(str(tmp_path / "a.zip"), str(code))
    other = fetch.fetch(str(archive(tmp_path / "b.zip", {"a.py": "2"})), str(code))
    assert one == two != other
    assert {str(p) for p in code.iterdir()} == {one, other}


def test_names_cannot_lead_outside(tmp_path: Path) -> None:
    path = fetch.fetch(
        str(archive(tmp_path / "a.zip", {"../../evil": "1", "b": "2"})), str(tmp_path / "code")
    )
    assert not (tmp_path / "evil").exists() and (Path(path) / "b").exists()


@pytest.mark.parametrize("content", [None, b"no zip at all"])
def test_what_is_no_archive_gives_a_sentence(tmp_path: Path, content: bytes | None) -> None:
    source, result = tmp_path / "a.zip", tmp_path / "result.json"
    if content:
        source.write_bytes(content)
    assert fetch.main(f"file://{source}", str(tmp_path / "code"), str(result)) == 1
    error = json.loads(result.read_text())["error"]
    assert ("no zip archive" if content else "No such file") in error
    assert not list((tmp_path / "code").iterdir())

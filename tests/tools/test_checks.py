# SPDX-License-Identifier: Apache-2.0
"""The checks find what they are there to find."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent / "tools"))
import check_layers  # noqa: E402
import check_style  # noqa: E402

HEADER = "/* SPDX-License-Identifier: Apache-2.0 */\n"
PARAGRAPH = (
    "/* What this is for, who uses it, and what it never does, told in one whole paragraph. */\n"
)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two layers and a pure one, which keeps the law."""
    for name, text in {
        "src/meson.build": "layers = {\n'base': [['buf'], [], []],\n'io': [['loop'], ['base'], []],\n"
        "'http': [['head'], ['base', 'io'], []],\n'wire': [['frame'], ['base', 'io'], []],\n"
        "'policy': [['place'], ['base', 'spec'], [jansson]],\n'spec': [[], ['base'], []],\n}\n",
        "src/base/buf.c": "",
        "src/io/loop.c": '#include "base/buf.h"\n',
        "src/io/loop_priv.h": "",
        "src/io/loop.h": "",
        "src/base/buf.h": "",
        "src/http/head.c": '#include "io/loop.h"\n#include <time.h>\n',
        "src/wire/frame.c": "",
        "src/wire/frame.h": "",
        "src/policy/place.c": "",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(check_layers, "ROOT", tmp_path)
    monkeypatch.setattr(check_layers, "SRC", tmp_path / "src")
    return tmp_path


def test_a_tree_that_keeps_the_law_passes(tree: Path) -> None:
    assert check_layers.main() == 0


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("src/base/buf.c", '#include "io/loop.h"\n', "base may not include io"),
        ("src/http/head.c", '#include "wire/frame.h"\n', "http may not include wire"),
        ("src/http/head.c", '#include "io/loop_priv.h"\n', "only for loop*.c"),
        ("src/policy/place.c", "#include <time.h>\n", "policy is pure"),
        ("src/io/more.c", "", "src/io/more.c has no row"),
    ],
)
def test_a_breach_is_told(
    tree: Path, capsys: pytest.CaptureFixture, file: str, text: str, said: str
) -> None:
    (tree / file).write_text(text)
    assert check_layers.main() == 1
    assert said in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("src/io/a.h", HEADER + "int a(void);\n", "begins with a paragraph"),
        (
            "src/http/a.c",
            HEADER + "void f(char *a)\n{\n    strcpy(a, a);\n}\n",
            "strcpy() is banned",
        ),
        (
            "src/http/a.c",
            HEADER + "void f(int a)\n{\n    read(a, 0, 0);\n}\n",
            "read() belongs to io",
        ),
        (
            "src/http/a.c",
            HEADER + "void f(int a)\n{\n" + "    a++;\n" * 81 + "}\n",
            "f() has 81 lines",
        ),
        (
            "src/http/a.c",
            HEADER + "void f(int a)\n{\n" + " " * 20 + "if (a) {\n}\n",
            "nested more than 4",
        ),
        (
            "src/http/a.c",
            HEADER
            + "void f(x *a)\n{\n    a->state = 1;\n}\n\nvoid g(x *a)\n{\n    a->state = 2;\n}\n",
            "let one funnel do it",
        ),
    ],
)
def test_bad_style_is_told(tmp_path: Path, name: str, text: str, said: str) -> None:
    path = tmp_path / Path(name).name
    path.write_text(text)
    assert any(said in line for line in check_style.check_c(path, name)), check_style.check_c(
        path, name
    )


def test_good_style_passes(tmp_path: Path) -> None:
    path = tmp_path / "a.h"
    path.write_text(
        HEADER + PARAGRAPH + "int read_all(int fd); /* strcpy(a, b) in a comment is nothing */\n"
    )
    assert check_style.check_c(path, "src/http/a.h") == []

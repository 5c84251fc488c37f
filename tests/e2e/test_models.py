# SPDX-License-Identifier: Apache-2.0
"""The demo's three applications, as models/demo.yaml declares them."""

import io
import subprocess
import sys

import lz4.frame
import numpy as np
import pytest
import yaml
from instance import PYTHON, ROOT, Instance, running
from PIL import Image

sys.path.insert(0, str(ROOT / "models"))
from tissue import make_slide, make_tile  # noqa: E402


@pytest.fixture(scope="module")
def demo():
    model = ROOT / "build" / "models" / "tissue.onnx"
    if not model.exists():
        subprocess.run([PYTHON, ROOT / "models" / "train.py", model], check=True)
    config = yaml.safe_load((ROOT / "models" / "demo.yaml").read_text())
    with running(cwd=ROOT) as instance:
        instance.deploy(*config["applications"])
        yield instance


def classify(demo: Instance, tile: np.ndarray) -> float:
    answer = demo.post("/classifier/", data=lz4.frame.compress(tile.tobytes()))
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_classifier_tells_tumour_from_healthy_tissue(demo: Instance) -> None:
    rng = np.random.default_rng(5)
    assert max(classify(demo, make_tile(rng, 0.0)) for _ in range(5)) < 0.2
    assert min(classify(demo, make_tile(rng, 1.0)) for _ in range(5)) > 0.8


def test_a_body_that_is_no_tile_is_refused(demo: Instance) -> None:
    assert demo.post("/classifier/", data=b"nonsense").status_code == 400
    assert demo.post("/classifier/", data=lz4.frame.compress(b"short")).status_code == 400


def test_the_heat_map_is_red_where_the_tumour_is(demo: Instance) -> None:
    slide, malignancy = make_slide(np.random.default_rng(6), 6, 8)
    out = io.BytesIO()
    Image.fromarray(slide).save(out, "PNG")
    answer = demo.post("/heatmap/?strength=1", data=out.getvalue(), timeout_s=60)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/png"), answer.text[
        :500
    ]
    picture = np.asarray(Image.open(io.BytesIO(answer.content)).convert("RGB")).astype(int)
    assert picture.shape == slide.shape
    redness = (picture[..., 0] - picture[..., 2]).reshape(6, 64, 8, 64).mean(axis=(1, 3))
    assert redness[malignancy > 0.9].min() > redness[malignancy < 0.1].max()
    assert demo.get("/classifier/config").json()["largest_batch"] > 1


def test_the_function_says_hello(demo: Instance) -> None:
    assert demo.get("/hello?name=Brno").json() == {"hello": "Brno"}

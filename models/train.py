# SPDX-License-Identifier: Apache-2.0
"""Trains the demo's tissue classifier and writes it as ONNX: python models/train.py OUT.onnx

Two strided convolutions, a global average and one output, trained by gradient descent written out in NumPy (a few
seconds).  The ONNX file takes uint8 tiles (N, TILE, TILE, 3) as a client sends them and gives float32 (N,), the
probability of tumour; scaling and the change of axes are in the graph.
"""

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tissue import TILE, make_tile

KERNEL, STRIDE, N_FIRST, N_SECOND = 4, 4, 8, 16


def patches(images: np.ndarray) -> np.ndarray:
    """(N, C, H, W) → (N, H/4 · W/4, C · 16): with stride = kernel, a convolution is one matrix product."""
    n, c, h, w = images.shape
    cut = images.reshape(n, c, h // STRIDE, KERNEL, w // STRIDE, KERNEL)
    return cut.transpose(0, 2, 4, 1, 3, 5).reshape(
        n, (h // STRIDE) * (w // STRIDE), c * KERNEL * KERNEL
    )


def forward(images: np.ndarray, p: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    side = images.shape[2] // STRIDE
    x1 = patches(images)
    a1 = np.maximum(x1 @ p["w1"] + p["b1"], 0)
    x2 = patches(a1.transpose(0, 2, 1).reshape(len(images), N_FIRST, side, side))
    a2 = np.maximum(x2 @ p["w2"] + p["b2"], 0)
    mean = a2.mean(axis=1)
    return {
        "x1": x1,
        "a1": a1,
        "x2": x2,
        "a2": a2,
        "mean": mean,
        "y": 1 / (1 + np.exp(-(mean @ p["w3"] + p["b3"]))),
    }


def unpatch(grad: np.ndarray, side: int) -> np.ndarray:
    """The way back through patches() for the first layer's output: → (N, side · side, N_FIRST)."""
    small = side // STRIDE
    cut = grad.reshape(-1, small, small, N_FIRST, KERNEL, KERNEL).transpose(0, 1, 4, 2, 5, 3)
    return cut.reshape(-1, side * side, N_FIRST)


def gradients(
    f: dict[str, np.ndarray], labels: np.ndarray, p: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    n, n_places = len(labels), f["a2"].shape[1]
    dz = ((f["y"] - labels) / n)[:, None]  # cross-entropy through the sigmoid
    da2 = np.repeat((dz @ p["w3"][None])[:, None, :] / n_places, n_places, axis=1) * (f["a2"] > 0)
    da1 = unpatch(da2 @ p["w2"].T, TILE // STRIDE) * (f["a1"] > 0)
    return {
        "w3": f["mean"].T @ dz[:, 0], "b3": dz.sum(),
        "w2": np.einsum("npi,npo->io", f["x2"], da2), "b2": da2.sum(axis=(0, 1)),
        "w1": np.einsum("npi,npo->io", f["x1"], da1), "b1": da1.sum(axis=(0, 1)),
    }  # fmt: skip


def prepare(tiles: np.ndarray) -> np.ndarray:
    return tiles.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1


def train(rng: np.random.Generator, n_steps: int = 300) -> tuple[dict[str, np.ndarray], float]:
    """The parameters, and the accuracy on tiles that training never saw."""
    labels = rng.integers(0, 2, 800).astype(np.float32)
    tiles = prepare(
        np.stack([make_tile(rng, 0.5 + (y - 0.5) * rng.uniform(0.4, 1)) for y in labels])
    )
    n_in = 3 * KERNEL * KERNEL
    p = {
        "w1": rng.normal(0, np.sqrt(2 / n_in), (n_in, N_FIRST)), "b1": np.zeros(N_FIRST),
        "w2": rng.normal(0, np.sqrt(2 / (N_FIRST * 16)), (N_FIRST * 16, N_SECOND)), "b2": np.zeros(N_SECOND),
        "w3": rng.normal(0, 0.3, N_SECOND), "b3": np.zeros(()),
    }  # fmt: skip
    p = {name: value.astype(np.float32) for name, value in p.items()}
    first = {name: np.zeros_like(value) for name, value in p.items()}
    second = {name: np.zeros_like(value) for name, value in p.items()}
    seen, rest = slice(0, 600), slice(600, 800)
    for step in range(1, n_steps + 1):
        batch = rng.integers(0, 600, 64)
        for name, g in gradients(forward(tiles[batch], p), labels[batch], p).items():  # Adam
            first[name] = 0.9 * first[name] + 0.1 * g
            second[name] = 0.99 * second[name] + 0.01 * g**2
            ahead = (
                first[name] / (1 - 0.9**step) / (np.sqrt(second[name] / (1 - 0.99**step)) + 1e-8)
            )
            p[name] = (p[name] - 0.01 * ahead).astype(np.float32)
    assert np.mean((forward(tiles[seen], p)["y"] > 0.5) == labels[seen]) > 0.9, (
        "training did not converge"
    )
    return p, float(np.mean((forward(tiles[rest], p)["y"] > 0.5) == labels[rest]))


def to_onnx(p: dict[str, np.ndarray]) -> onnx.ModelProto:
    def convolution(weights: np.ndarray, n_channels: int) -> np.ndarray:
        return weights.T.reshape(-1, n_channels, KERNEL, KERNEL)

    constants = {
        "scale": np.float32(1 / 127.5), "one": np.float32(1), "w1": convolution(p["w1"], 3), "b1": p["b1"],
        "w2": convolution(p["w2"], N_FIRST), "b2": p["b2"], "w3": p["w3"], "b3": p["b3"],
    }  # fmt: skip
    conv = {"kernel_shape": [KERNEL, KERNEL], "strides": [STRIDE, STRIDE]}
    nodes = [
        helper.make_node("Cast", ["tiles"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Sub", ["scaled", "one"], ["centred"]),
        helper.make_node("Transpose", ["centred"], ["image"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["image", "w1", "b1"], ["c1"], **conv),
        helper.make_node("Relu", ["c1"], ["a1"]),
        helper.make_node("Conv", ["a1", "w2", "b2"], ["c2"], **conv),
        helper.make_node("Relu", ["c2"], ["a2"]),
        helper.make_node("ReduceMean", ["a2"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("MatMul", ["mean", "w3"], ["dot"]),
        helper.make_node("Add", ["dot", "b3"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["probability"]),
    ]
    graph = helper.make_graph(
        nodes, "tissue",
        [helper.make_tensor_value_info("tiles", TensorProto.UINT8, ["n", TILE, TILE, 3])],
        [helper.make_tensor_value_info("probability", TensorProto.FLOAT, ["n"])],
        [numpy_helper.from_array(np.ascontiguousarray(value, np.float32), name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return model


def main() -> None:
    out = Path(sys.argv[1])
    parameters, accuracy = train(np.random.default_rng(7))
    out.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(to_onnx(parameters), out)
    n_weights = sum(value.size for value in parameters.values())
    print(f"trained {n_weights} weights; right on {accuracy:.1%} of 200 tiles that it had not seen")


if __name__ == "__main__":
    main()

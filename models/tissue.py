# SPDX-License-Identifier: Apache-2.0
"""Pictures that look like stained tissue, for training the demo's model and for asking it something.

A tile is a uint8 array (TILE, TILE, 3), RGB: pink stroma with purple nuclei.  In tumour the nuclei are many, large
and dark; in healthy tissue they are few and small.  No patient was ever involved.
"""

import numpy as np

TILE = 64
STROMA = np.array([228.0, 178.0, 204.0])
NUCLEUS = np.array([98.0, 62.0, 138.0])


def make_tile(rng: np.random.Generator, malignancy: float) -> np.ndarray:
    """One tile; malignancy 0 is healthy, 1 is tumour, between them is between them."""
    texture = rng.normal(0.0, 1.0, (TILE // 4, TILE // 4)).repeat(4, 0).repeat(4, 1)
    tile = STROMA + texture[..., None] * np.array([6.0, 10.0, 7.0])
    rows, columns = np.mgrid[0:TILE, 0:TILE]
    for _ in range(rng.poisson(6 + 22 * malignancy)):
        row, column = rng.uniform(0, TILE, 2)
        radius = rng.uniform(2.0, 3.2) * (1 + 0.9 * malignancy * rng.uniform(0.4, 1.2))
        stretch, angle = rng.uniform(0.6, 1.0), rng.uniform(0, np.pi)
        along = (rows - row) * np.cos(angle) + (columns - column) * np.sin(angle)
        across = (columns - column) * np.cos(angle) - (rows - row) * np.sin(angle)
        distance = np.hypot(along * stretch, across / stretch) / radius
        cover = np.clip(1.5 - distance, 0.0, 1.0)[..., None] * rng.uniform(0.7, 0.95)
        tile = tile * (1 - cover) + NUCLEUS * (1 - 0.2 * malignancy) * cover
    return np.clip(tile + rng.normal(0.0, 4.0, tile.shape), 0, 255).astype(np.uint8)


def make_slide(
    rng: np.random.Generator, n_rows: int, n_columns: int
) -> tuple[np.ndarray, np.ndarray]:
    """A picture of n_rows × n_columns tiles with one round tumour, and the malignancy of each tile."""
    rows, columns = np.mgrid[0:n_rows, 0:n_columns]
    centre = rng.uniform(0.35, 0.65, 2) * (n_rows, n_columns)
    distance = np.hypot(rows - centre[0], columns - centre[1]) / (0.28 * min(n_rows, n_columns))
    malignancy = 1 / (1 + np.exp(6 * (distance - 1)))
    tiles = [[make_tile(rng, malignancy[r, c]) for c in range(n_columns)] for r in range(n_rows)]
    return np.concatenate([np.concatenate(row, axis=1) for row in tiles]), malignancy

# SPDX-License-Identifier: Apache-2.0
"""Where is the tumour on this picture?  Cuts a PNG into tiles, asks the classifier application about all of them at
once, and returns the picture with the answers painted over it."""

import asyncio
import io
from typing import Any

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from PIL import Image
from ray import serve

fastapi = FastAPI(title="Heat map")


def paint(picture: np.ndarray, probabilities: np.ndarray, strength: float) -> bytes:
    """PNG of (H, W, 3) under a (rows, columns) grid of probabilities: blue is healthy, red is tumour."""
    height, width, _ = picture.shape
    grid = Image.fromarray((probabilities * 255).astype(np.uint8)).resize(
        (width, height), Image.Resampling.BICUBIC
    )
    share = np.asarray(grid, np.float32)[..., None] / 255
    colour = share * np.array([220, 30, 30]) + (1 - share) * np.array([40, 80, 210])
    painted = picture * (1 - strength) + colour * strength
    out = io.BytesIO()
    Image.fromarray(painted.astype(np.uint8)).save(out, "PNG")
    return out.getvalue()


@serve.deployment
@serve.ingress(fastapi)
class HeatMap:
    async def reconfigure(self, config: dict[str, Any]) -> None:
        self.classifier: str = config["classifier"]
        self.at_once = asyncio.Semaphore(config.get("max_concurrent_tiles", 64))

    async def ask(self, model: Any, tile: np.ndarray) -> float:
        async with self.at_once:
            return await model.predict.remote(tile)

    @fastapi.post("/")
    async def build(self, request: Request, strength: float = 0.45) -> Response:
        try:
            picture = np.asarray(Image.open(io.BytesIO(await request.body())).convert("RGB"))
        except OSError as error:
            raise HTTPException(400, f"the body must be a picture: {error}")
        model = serve.get_app_handle(self.classifier)
        size = (await model.get_config.remote())["tile_size"]
        rows, columns = picture.shape[0] // size, picture.shape[1] // size
        if rows == 0 or columns == 0:
            raise HTTPException(400, f"the picture must be at least {size} pixels high and wide")
        picture = picture[: rows * size, : columns * size]
        tiles = (
            picture.reshape(rows, size, columns, size, 3).swapaxes(1, 2).reshape(-1, size, size, 3)
        )
        answers = await asyncio.gather(*(self.ask(model, tile) for tile in tiles))
        png = await asyncio.to_thread(
            paint, picture, np.reshape(answers, (rows, columns)), strength
        )
        return Response(png, media_type="image/png", headers={"x-tiles": str(len(answers))})


app = HeatMap.bind()

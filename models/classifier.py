# SPDX-License-Identifier: Apache-2.0
"""Is there tumour on this tile?  One LZ4-compressed uint8 tile in, one probability out; requests that come together
go through the network together."""

import asyncio
from pathlib import Path
from typing import Any

import lz4.frame
import numpy as np
import onnxruntime
from fastapi import FastAPI, HTTPException, Request
from ray import serve

ROOT = Path(__file__).resolve().parent.parent
fastapi = FastAPI(title="Tissue classifier")


@serve.deployment
@serve.ingress(fastapi)
class TissueClassifier:
    def reconfigure(self, config: dict[str, Any]) -> None:
        """Loads the model that user_config names; runs once before the first request and again on each change."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = config.get("threads", 1)
        self.session = onnxruntime.InferenceSession(
            ROOT / config["model"], options, ["CPUExecutionProvider"]
        )
        self.tile_size: int = self.session.get_inputs()[0].shape[1]
        self.predict.set_max_batch_size(config.get("max_batch_size", 16))
        self.predict.set_batch_wait_timeout_s(config.get("batch_wait_timeout_s", 0.005))
        self.largest_batch = 0

    def get_config(self) -> dict[str, int]:
        return {"tile_size": self.tile_size, "largest_batch": self.largest_batch}

    @serve.batch
    async def predict(self, tiles: list[np.ndarray]) -> list[float]:
        self.largest_batch = max(self.largest_batch, len(tiles))
        (probabilities,) = self.session.run(None, {"tiles": np.stack(tiles)})
        return probabilities.tolist()

    @fastapi.post("/")
    async def classify(self, request: Request) -> float:
        shape = (self.tile_size, self.tile_size, 3)
        try:
            raw = await asyncio.to_thread(lz4.frame.decompress, await request.body())
            tile = np.frombuffer(raw, np.uint8).reshape(shape)
        except (RuntimeError, ValueError) as error:
            raise HTTPException(
                400, f"the body must be one LZ4-compressed uint8 tile of shape {shape}: {error}"
            )
        return await self.predict(tile)

    @fastapi.get("/config")
    async def config(self) -> dict[str, int]:
        return self.get_config()


app = TissueClassifier.bind()

"""Decoding one page of 1000 images: our structs against plain dictionaries."""

import json
import time
from collections.abc import Callable

import msgspec

from benchmarks.harness import ROUNDS, Figure, pin, ratios
from roboflow_evals_async.roboflow.payloads import ImagePredictionsPage
from roboflow_evals_async.testing import EvaluationSpec, World

# Enough decodes that the clock's own resolution is far below one of them.
_TIMES = 20


async def run() -> list[Figure]:
    """CPU of one decode, typed against untyped."""
    pin(0)
    world = World(evaluations=[EvaluationSpec(images={"test": 1000})])
    body = world.evaluations[0].image_predictions("all", world.evaluations[0].default_confidence, 0, 1000)
    decoders: dict[str, Callable[[bytes], object]] = {
        "ours": msgspec.json.Decoder(ImagePredictionsPage).decode,
        "msgspec to dict": msgspec.json.Decoder().decode,
        "json.loads": json.loads,
    }
    took: dict[str, list[float]] = {name: [] for name in decoders}
    for number in range(ROUNDS + 1):
        for name, decode in decoders.items():
            begun = time.process_time()
            for _ in range(_TIMES):
                decode(body)
            if number:
                took[name].append((time.process_time() - begun) / _TIMES)
    return [
        Figure.of("decode: typed page", [1000 * seconds for seconds in took["ours"]], "ms CPU/page"),
        Figure.of("decode: typed / msgspec to dict", ratios(took["ours"], took["msgspec to dict"]), "x"),
        Figure.of("decode: typed / json.loads", ratios(took["ours"], took["json.loads"]), "x"),
    ]

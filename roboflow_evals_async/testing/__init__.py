"""An embedded stand-in for both APIs: a seeded world behind a real HTTP server, for tests, demos, benchmarks.

async with StandIn() as s:
    client = EvalsClient(api_key=s.api_key, workspace=s.workspace, base_url=s.url)
"""

from __future__ import annotations

from .evaluation import Evaluation
from .faults import Fault, Faults, RecordedRequest
from .rivergen import Model, Version, default_models
from .spec import EvaluationSpec, default_specs
from .standin import StandIn
from .world import World, default_world

__all__ = [
    "Evaluation",
    "EvaluationSpec",
    "Fault",
    "Faults",
    "Model",
    "RecordedRequest",
    "StandIn",
    "Version",
    "World",
    "default_models",
    "default_specs",
    "default_world",
]

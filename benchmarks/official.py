"""The official SDK doing the same jobs, in a process and an environment of its own.

`python benchmarks/official.py JOB THREADS EVAL_ID [EVAL_ID …]`: JOB is `pages` or `panels`; API_URL, ROBOFLOW_API_KEY
and RF_WORKSPACE say where. Prints the seconds that the job took, imports left out, as one JSON object with the version.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import roboflow
from roboflow.adapters import rfapi

PAGE_SIZE = 1000


def main() -> None:
    """Run the job with so many threads; 1 is a plain loop."""
    job, threads, ids = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    key, workspace = os.environ["ROBOFLOW_API_KEY"], os.environ["RF_WORKSPACE"]

    def page(offset: int) -> int:
        reply = rfapi.get_model_eval_image_predictions(
            key, workspace, ids[0], split="all", limit=PAGE_SIZE, offset=offset
        )
        return int(reply["totalImages"])

    panels = (
        rfapi.get_model_eval,
        rfapi.get_model_eval_map_results,
        rfapi.get_model_eval_confidence_sweep,
        rfapi.get_model_eval_performance_by_class,
        rfapi.get_model_eval_confusion_matrix,
        rfapi.get_model_eval_vector_analysis,
        rfapi.get_model_eval_recommendations,
        rfapi.get_model_eval_image_predictions,
    )
    begun = time.perf_counter()
    if job == "pages":
        run(threads, [lambda offset=offset: page(offset) for offset in range(PAGE_SIZE, page(0), PAGE_SIZE)])
    else:
        run(threads, [lambda get=get, ev=ev: get(key, workspace, ev) for ev in ids for get in panels])
    print(json.dumps({"seconds": time.perf_counter() - begun, "version": roboflow.__version__}))


def run(threads: int, calls: Iterable[Callable[[], object]]) -> None:
    """Make the calls one after the other, or in a pool."""
    if threads == 1:
        for call in calls:
            call()
    else:
        with ThreadPoolExecutor(threads) as pool:
            for future in [pool.submit(call) for call in calls]:
                future.result()


if __name__ == "__main__":
    main()

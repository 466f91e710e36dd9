"""One evaluation of the world: its images, made when first wanted, and its panels as the API's JSON bodies.

Bodies are encoded once and kept. Rows of image-predictions are encoded once per threshold, and a page is a
join of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cached_property

import msgspec

from .advice import advise
from .outcomes import Image, draw_split
from .panels import (
    Ranked,
    Sweep,
    cluster_panels,
    mean_average_precision,
    mean_of,
    metrics,
    rank_classes,
    silhouette,
    sweep_classes,
    sweep_split,
)
from .rows import Report
from .spec import DETECTION, SEMANTIC_SEGMENTATION, SPLITS, EvaluationSpec

_SIZES = ("small", "medium", "large")
_Averages = tuple[dict[str, float] | None, list[dict[str, float] | None]]
_NO_MAP: Mapping[str, float | None] = {"map50": None, "map50_95": None, "map75": None}
_SAMPLES = 5  # sampleImages may be a sample; the app shows a handful


class Evaluation:
    """One evaluation, lazily made from its spec and a seed; the same spec and seed give the same bytes."""

    def __init__(self, spec: EvaluationSpec, seed: int) -> None:
        """Keep the spec, whose id and time must be filled in; make nothing yet."""
        self.spec = spec
        self.eval_id = spec.eval_id
        self.background = len(spec.classes)
        self._seed = seed
        self._pixels = spec.task_type == SEMANTIC_SEGMENTATION
        self._bodies: dict[object, bytes] = {}
        self._averages: dict[tuple[str, int | None], _Averages] = {}
        self._reports: dict[int, Report] = {}

    # What the panels are made of

    @cached_property
    def images(self) -> dict[str, list[Image]]:
        """The images drawn, per split in the order of `SPLITS`; splits of the spec without images are not there."""
        return {split: draw_split(self.spec, split, self._seed) for split in SPLITS if self.spec.images.get(split)}

    def total_images(self, split: str) -> int:
        """Rows of image-predictions for a split, or for `all`."""
        if split == "all":
            return sum(self.spec.images.get(name, 0) for name in SPLITS)
        return self.spec.images.get(split, 0)

    @cached_property
    def sweeps(self) -> dict[str, tuple[Sweep, list[Sweep]]]:
        """Per split the sweep over all classes and the sweeps per class."""
        table: dict[str, tuple[Sweep, list[Sweep]]] = {}
        for split in SPLITS:
            classes = sweep_classes(self.images.get(split, []), self.background)
            table[split] = (sweep_split(classes), classes)
        return table

    @cached_property
    def headline_split(self) -> str:
        """The split of summary and recommendations: test, or the last one there is."""
        return "test" if self.spec.images.get("test") else ([*self.images] or ["test"])[-1]

    @cached_property
    def optimal_confidence(self) -> int:
        """F1-optimal threshold of the headline split, in percent."""
        return round(self.sweeps[self.headline_split][0].optimal_threshold * 100)

    @cached_property
    def default_confidence(self) -> int:
        """Percent of the canonical report, read when no `confidence` is asked for."""
        chosen = self.spec.default_confidence
        return self.optimal_confidence if chosen is None else chosen

    def has_report(self, confidence: int) -> bool:
        """Whether the report at this percent was materialised."""
        return confidence in self.spec.confidences or confidence == self.default_confidence

    def report(self, confidence: int) -> Report:
        """Rows and confusion at a threshold in percent."""
        made = self._reports.get(confidence)
        if made is None:
            made = Report(self.images, confidence, self.background, pixels=self._pixels, odd_rows=self.spec.odd_rows)
            self._reports[confidence] = made
        return made

    # The bodies

    def listing(self) -> dict[str, object]:
        """The evaluation's row in the list, which is also the head of `get`."""
        spec = self.spec
        names = ("id", "projectId") if spec.legacy else ("evalId", "project")
        return {
            names[0]: self.eval_id,
            "status": spec.status,
            names[1]: spec.project,
            "versionId": spec.version_id,
            "modelId": spec.model_id,
            "createdAt": spec.created_at,
        }

    def get(self) -> bytes:
        """Metadata, and the summary once the evaluation is done."""
        return self._cached("get", self._make_get)

    def _make_get(self) -> dict[str, object]:
        body = self.listing()
        if self.spec.status == "done":
            best = self.headline_metrics()
            summary = {"mAP": best["mAP"], "mIoU": best["mIoU"]}
            if self.spec.legacy:
                del summary["mIoU"]
            body["summary"] = {**summary, "precision": best["precision"], "recall": best["recall"]}
        return body

    def headline_metrics(self) -> dict[str, float | None]:
        """Metrics of the headline split under the names that `compare` uses; mAP or mIoU is null by task type."""
        split = self.headline_split
        means = self._maps(split)[0] if self.spec.task_type == DETECTION else None
        found: Mapping[str, float | None] = means or _NO_MAP
        return {
            "mAP": found["map50"],
            "mIoU": self._mean_iou(split) if self._pixels else None,
            **self.sweeps[split][0].optimal_metrics(),
            "mAP5095": found["map50_95"],
            "mAP75": found["map75"],
        }

    def map_results(self) -> bytes:
        """Metrics per split: mAP, for semantic segmentation mIoU."""
        return self._cached("map-results", self._make_map_results)

    def _make_map_results(self) -> dict[str, object]:
        block = self._iou_block if self._pixels else self._map_block
        return {**self._head(), **self._task_type(), "splits": {split: block(split) for split in self.images}}

    def confidence_sweep(self) -> bytes:
        """Precision, recall and F1 at every threshold, per split and class."""
        return self._cached("confidence-sweep", self._make_confidence_sweep)

    def _make_confidence_sweep(self) -> dict[str, object]:
        splits: dict[str, object] = {}
        for split in self.images:
            overall, classes = self.sweeps[split]
            named = zip(self.spec.classes, classes, strict=True)
            splits[split] = {**overall.payload(), "perClass": {name: sweep.payload() for name, sweep in named}}
        return {**self._head(), "splits": splits}

    def performance_by_class(self, split: str) -> bytes:
        """Per-class metrics of one split at each class's optimal threshold."""
        return self._cached(("performance-by-class", split), lambda: self._make_performance(split))

    def _make_performance(self, split: str) -> dict[str, object]:
        per_class: list[dict[str, object]] = []
        sweeps = self.sweeps[split][1]
        for index, (name, sweep) in enumerate(zip(self.spec.classes, sweeps, strict=True)):
            row: dict[str, object] = {"classID": index} if self._pixels else {}
            row["className"] = name
            if self._pixels:
                row["iou"] = self._class_iou(split, index)
            elif self.spec.task_type == DETECTION:
                row |= self._class_map(split, index)
            per_class.append({**row, **sweep.optimal_metrics(), "optimalThreshold": sweep.optimal_threshold})
        return {**self._head(), **self._task_type(), "split": split, "classes": per_class}

    def confusion_matrix(self, split: str, confidence: int) -> bytes:
        """Counts `matrix[actual][predicted]` of a split or of `all`, background last, at a threshold in percent."""
        return self._cached(
            ("confusion-matrix", split, confidence), lambda: self._make_confusion_matrix(split, confidence)
        )

    def _make_confusion_matrix(self, split: str, confidence: int) -> dict[str, object]:
        size = self.background + 1
        matrix = [[0] * size for _ in range(size)]
        for name, cells in self.report(confidence).cells.items():
            if split in {"all", name}:
                for (actual, predicted), count in cells.items():
                    matrix[actual][predicted] += count
        return {
            **self._head(),
            "split": split,
            "confidenceThreshold": confidence / 100,
            "classes": [*self.spec.classes, "background"],
            "matrix": matrix,
        }

    def vector_analysis(self, confidence: int) -> bytes:
        """Embedding clusters with the metrics of their images at a threshold in percent."""
        return self._cached(("vector-analysis", confidence), lambda: self._make_vector_analysis(confidence))

    def _make_vector_analysis(self, confidence: int) -> dict[str, object]:
        scores = self.report(confidence).scores
        clusters = cluster_panels(scores, _SAMPLES)
        total = self.total_images("all")
        noise = sum(score.copies for score in scores if score.cluster == -1)
        points = [(image.cluster, image.embedding) for images in self.images.values() for image in images]
        return {
            **self._head(),
            "clustering": {
                "method": "hdbscan",
                "nClusters": len(clusters) - any(cluster["id"] == -1 for cluster in clusters),
                "metrics": {
                    "noiseRatio": noise / total if total else 0.0,
                    "silhouetteScore": silhouette(points),
                },
                # Parameters of the documented example.
                "parameters": {
                    "min_cluster_size": 2,
                    "min_samples": 1,
                    "cluster_selection_method": "eom",
                    "metric": "euclidean",
                },
                "processingTimeSeconds": round(0.04 * total, 2),  # the example: 8.36 s for 192 images
            },
            "preprocessing": {
                "method": "umap",
                "originalDimensions": 768,
                "targetDimensions": 10,
                "nNeighbors": 30,
                "minDistance": 0.05,
            },
            "clusters": clusters,
        }

    def image_predictions(self, split: str, confidence: int, offset: int, limit: int) -> bytes:
        """One page of rows; `limit` is echoed as given, so clamp it first."""
        head = {
            **self._head(),
            "split": split,
            "confidenceThreshold": confidence / 100,
            "totalImages": self.total_images(split),
            "offset": offset,
            "limit": limit,
        }
        names = SPLITS if split == "all" else (split,)
        rows = b",".join(self.report(confidence).rows(names, offset, limit))
        return b"".join((msgspec.json.encode(head)[:-1], b',"images":[', rows, b"]}"))

    def recommendations(self) -> bytes:
        """Suggestions from the headline split at its optimal threshold, or that none were generated."""
        return self._cached("recommendations", self._make_recommendations)

    def _make_recommendations(self) -> dict[str, object]:
        if not self.spec.recommendations:
            return {**self._head(), "generated": False}
        split, percent = self.headline_split, self.optimal_confidence
        instances = [0] * (self.background + 1)
        for images in self.images.values():
            for image in images:
                for outcome in image.outcomes:
                    instances[outcome.actual] += image.copies
        cells = self.report(percent).cells.get(split, {})
        items = advise(self.spec.classes, cells, instances[: self.background], self.spec.images)
        # Half a minute after the training, as in the documented example's order of events.
        made = datetime.fromisoformat(self.spec.created_at) + timedelta(seconds=26.608)
        generated_at = made.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        best = metrics(self.sweeps[split][0].optimal_counts)
        summary = {
            "confidenceThreshold": percent,
            "split": split,
            "generatedAt": generated_at,
            "count": len(items),
            "f1": best["f1"],
            "precision": best["precision"],
            "recall": best["recall"],
        }
        return {
            **self._head(),
            "generated": True,
            "generatedAt": generated_at,
            "recommendations": {"summary": summary, "items": items},
        }

    # Pieces of the bodies

    def _cached(self, key: object, make: Callable[[], dict[str, object]]) -> bytes:
        body = self._bodies.get(key)
        if body is None:
            body = self._bodies[key] = msgspec.json.encode(make())
        return body

    def _head(self) -> dict[str, object]:
        spec = self.spec
        if spec.legacy or not spec.identity_header:
            return {}
        return {
            "evalId": self.eval_id,
            "project": spec.project,
            "versionId": spec.version_id,
            "modelId": spec.model_id,
        }

    def _task_type(self) -> dict[str, object]:
        return {} if self.spec.legacy else {"taskType": self.spec.task_type}

    @cached_property
    def _ranked(self) -> dict[str, list[Ranked]]:
        return {split: rank_classes(self.images.get(split, []), self.background) for split in SPLITS}

    def _maps(self, split: str, size: int | None = None) -> _Averages:
        """Mean over the classes with objects, and the block of each class, for one object size or for all."""
        key = (split, size)
        made = self._averages.get(key)
        if made is None:
            blocks = [mean_average_precision(ranked, size) for ranked in self._ranked[split]]
            made = self._averages[key] = (mean_of(blocks), blocks)
        return made

    def _class_map(self, split: str, index: int) -> Mapping[str, float | None]:
        return self._maps(split)[1][index] or _NO_MAP

    def _map_block(self, split: str) -> dict[str, object]:
        if self.spec.task_type != DETECTION:
            # The documents name no key for such tasks: a client meets names it does not know.
            found = self._maps(split)[0] or _NO_MAP
            return {"oks50": found["map50"], "oks50_95": found["map50_95"], "oks75": found["map75"]}
        block: dict[str, object] = {**(self._maps(split)[0] or _NO_MAP)}
        per_class: dict[str, dict[str, object]] = {
            name: {**self._class_map(split, index)} for index, name in enumerate(self.spec.classes)
        }
        if self.spec.by_object_size:
            sizes = {name: self._maps(split, size) for size, name in enumerate(_SIZES)}
            block["byObjectSize"] = {name: mean for name, (mean, _) in sizes.items()}
            for index, name in enumerate(self.spec.classes):
                per_class[name]["byObjectSize"] = {size: blocks[index] for size, (_, blocks) in sizes.items()}
        block["perClass"] = per_class
        return block

    def _class_iou(self, split: str, index: int) -> float | None:
        """IoU of one class at its optimal threshold; None without a pixel of it in the split."""
        sweep = self.sweeps[split][1][index]
        first = sweep.counts[0]
        return sweep.optimal_counts.iou if first.true_positives + first.false_negatives else None

    def _mean_iou(self, split: str) -> float | None:
        values = [self._class_iou(split, index) for index in range(self.background)]
        known = [iou for iou in values if iou is not None]
        return sum(known) / len(known) if known else None

    def _iou_block(self, split: str) -> dict[str, object]:
        overall, classes = self.sweeps[split]
        per_class = {
            name: {
                "classID": index,
                "iou": self._class_iou(split, index),
                **sweep.optimal_metrics(),
                "optimalThreshold": sweep.optimal_threshold,
            }
            for index, (name, sweep) in enumerate(zip(self.spec.classes, classes, strict=True))
        }
        return {"mIoU": self._mean_iou(split), **overall.optimal_metrics(), "perClass": per_class}

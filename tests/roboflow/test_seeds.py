"""The documented examples, field by field: what the structs say is what the documents print."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from roboflow_evals_async.roboflow import endpoints
from roboflow_evals_async.roboflow.payloads import (
    Cell,
    ClassPerformance,
    Cluster,
    Clustering,
    ClusteringMetrics,
    ClusterMetrics,
    ConfidenceSweep,
    ConfusionMatrix,
    EvalRows,
    ImageCluster,
    ImagePrediction,
    ImagePredictionsPage,
    MapResults,
    MapScores,
    MetricScores,
    ModelEval,
    PerformanceByClass,
    Point,
    Preprocessing,
    RecommendationList,
    Recommendations,
    RecommendationsSummary,
    Scores,
    Split,
    SplitMetrics,
    SplitSweep,
    Stats,
    Summary,
    Sweep,
    SweepPoint,
    VectorAnalysis,
)

from .server import answering, document, example

ID = "huUF720inUcymARwqAGK"
_MAP = {"map50": 0.9239650566041828, "map50_95": 0.7555258345429926, "map75": 0.9239650566041828}
_BEST = Scores(0.85, 0.85, 0.85)

EXPECTED: dict[str, tuple[Any, Any]] = {
    "seed_get_done": (
        endpoints.eval_(ID),
        ModelEval(
            eval_id="huUF720inUcymARwqAGK",
            status="done",
            project="chess-pieces-fmhpz",
            version_id="4",
            model_id=None,
            created_at="2026-04-27T20:04:10.904Z",
            summary=Summary(map50=0.9239650566041828, miou=None, precision=0.85, recall=0.85),
        ),
    ),
    "seed_get_running": (
        endpoints.eval_("fNyWx6PC74rCc18IuZ3M"),
        ModelEval(
            eval_id="fNyWx6PC74rCc18IuZ3M",
            status="running",
            project="hard-hat-detection",
            version_id="1",
            created_at="2026-03-19T21:02:07.918Z",
        ),
    ),
    "seed_performance_by_class": (
        endpoints.performance_by_class(ID),
        PerformanceByClass(
            task_type="object-detection-like",
            split="test",
            classes=(
                ClassPerformance(
                    class_name="Car-rims", **_MAP, precision=0.85, recall=0.85, f1=0.85, optimal_threshold=0.37
                ),
                ClassPerformance(class_name="music-note", precision=0.0, recall=0.0, f1=0.0, optimal_threshold=0.5),
            ),
        ),
    ),
    "seed_performance_by_class_segmentation": (
        endpoints.performance_by_class(ID),
        PerformanceByClass(
            task_type="semantic-segmentation",
            split="test",
            classes=(
                ClassPerformance(
                    class_name="multi",
                    class_id=3,
                    iou=0.816,
                    precision=0.938,
                    recall=0.862,
                    f1=0.898,
                    optimal_threshold=0.0,
                ),
            ),
        ),
    ),
    "seed_image_predictions": (
        endpoints.image_predictions(ID, split="test").request(0, 50),
        ImagePredictionsPage(
            split="test",
            confidence_threshold=0.2,
            total_images=192,
            offset=0,
            limit=50,
            images=(
                ImagePrediction(
                    image_id="1QKLCUsfAzFiCIb6YCJj",
                    image_name="abc.jpg",
                    split=Split.TEST,
                    augmentations=2,
                    cluster=Cluster(4, Point(7.494518280029297, -5.143994331359863)),
                    stats=Stats(2, 7, 0, precision=0.222, recall=1.0, f1=0.364),
                    confusion=(Cell(actual=0, predicted=0, count=2), Cell(actual=2, predicted=0, count=7)),
                ),
            ),
        ),
    ),
    "list": (
        endpoints.evals(),
        EvalRows(
            (
                ModelEval(
                    eval_id="huUF720inUcymARwqAGK",
                    status="done",
                    project="chess-pieces-fmhpz",
                    version_id="4",
                    created_at="2026-04-27T20:04:10.904Z",
                ),
                ModelEval(
                    eval_id="fNyWx6PC74rCc18IuZ3M",
                    status="running",
                    project="hard-hat-detection",
                    version_id="1",
                    created_at="2026-03-19T21:02:07.918Z",
                ),
            )
        ),
    ),
    "map_results": (
        endpoints.map_results(ID),
        MapResults(
            task_type="object-detection-like",
            splits={
                "test": SplitMetrics(
                    **_MAP,
                    by_object_size={
                        "small": MapScores(0.9038189533239035, 0.6478143732740621, 0.9038189533239035),
                        "medium": MapScores(0.9913366336633663, 0.8572608399609195, 0.9913366336633663),
                        "large": None,
                    },
                    per_class={
                        "Car-rims": MetricScores(
                            **_MAP,
                            by_object_size={
                                "small": MapScores(0.9, 0.65, 0.85),
                                "medium": MapScores(0.99, 0.85, 0.99),
                                "large": None,
                            },
                        )
                    },
                )
            },
        ),
    ),
    "map_results_segmentation": (
        endpoints.map_results(ID),
        MapResults(
            task_type="semantic-segmentation",
            splits={
                "test": SplitMetrics(
                    miou=0.816,
                    precision=0.938,
                    recall=0.862,
                    f1=0.898,
                    per_class={
                        "multi": MetricScores(
                            class_id=3, iou=0.816, precision=0.938, recall=0.862, f1=0.898, optimal_threshold=0.0
                        )
                    },
                )
            },
        ),
    ),
    "confidence_sweep": (
        endpoints.confidence_sweep(ID),
        ConfidenceSweep(
            splits={
                "test": SplitSweep(
                    per_threshold={
                        "0.00": Scores(0.02, 1.0, 0.039),
                        "0.20": Scores(0.45, 0.92, 0.605),
                        "0.37": _BEST,
                        "0.50": Scores(0.91, 0.78, 0.84),
                    },
                    optimal_threshold=0.37,
                    optimal_metrics=_BEST,
                    per_class={
                        "Car-rims": Sweep(per_threshold={"0.37": _BEST}, optimal_threshold=0.37, optimal_metrics=_BEST)
                    },
                )
            }
        ),
    ),
    "confusion_matrix": (
        endpoints.confusion_matrix(ID),
        ConfusionMatrix(
            split="test",
            confidence_threshold=0.2,
            classes=("Car-rims", "music-note", "background"),
            matrix=((20, 0, 0), (0, 0, 0), (80, 0, 0)),
        ),
    ),
    "vector_analysis": (
        endpoints.vector_analysis(ID),
        VectorAnalysis(
            clustering=Clustering(
                method="hdbscan",
                n_clusters=54,
                metrics=ClusteringMetrics(noise_ratio=0.078125, silhouette_score=0.48925095796585083),
                parameters={
                    "min_cluster_size": 2,
                    "min_samples": 1,
                    "cluster_selection_method": "eom",
                    "metric": "euclidean",
                },
                processing_time_seconds=8.36,
            ),
            preprocessing=Preprocessing(
                method="umap", original_dimensions=768, target_dimensions=10, n_neighbors=30, min_distance=0.05
            ),
            clusters=(
                ImageCluster(
                    id=-1,
                    num_images=15,
                    split_distribution={"train": 12, "valid": 2, "test": 1},
                    metrics=ClusterMetrics(0.462, 0.219, 0.129, 0.8, 0.33, 0.952),
                    sample_images=("abc.jpg",),
                ),
                ImageCluster(
                    id=0,
                    num_images=3,
                    split_distribution={"train": 2, "valid": 1},
                    metrics=ClusterMetrics(0.889, 0.1, 0.75, 1.0, 0.9, 0.9),
                    sample_images=("def.jpg",),
                ),
            ),
        ),
    ),
    "recommendations_not_generated": (endpoints.recommendations(ID), Recommendations(generated=False)),
    "recommendations": (
        endpoints.recommendations(ID),
        Recommendations(
            generated=True,
            generated_at="2026-04-27T20:05:37.512Z",
            recommendations=RecommendationList(
                summary=RecommendationsSummary(
                    confidence_percent=37,
                    split="test",
                    generated_at="2026-04-27T20:05:37.512Z",
                    count=1,
                    f1=0.85,
                    precision=0.85,
                    recall=0.85,
                ),
                items=(
                    {
                        "type": "overconfident_fp",
                        "severity": "high",
                        "message": "invented item: real item fields are UNKNOWN",
                    },
                ),
            ),
        ),
    ),
}
every_example = pytest.mark.parametrize("name", EXPECTED)


def missing(said: Any, kept: Any, path: str = "$") -> list[str]:
    """The places of a document whose value a struct does not hold."""
    if isinstance(said, dict):
        return [
            place for key, value in said.items() for place in missing(value, (kept or {}).get(key), f"{path}.{key}")
        ]
    if isinstance(said, list) and isinstance(kept, list | tuple) and len(said) == len(kept):
        return [place for i, value in enumerate(said) for place in missing(value, kept[i], f"{path}[{i}]")]
    return [] if said == kept else [path]


@every_example
def test_an_example_is_read_field_by_field(name: str) -> None:
    request, expected = EXPECTED[name]
    assert request.reply.decode(example(name)) == expected


@every_example
def test_no_field_of_an_example_is_passed_over(name: str) -> None:
    request, _ = EXPECTED[name]
    kept = msgspec.to_builtins(request.reply.decode(example(name)))
    assert missing(document(name), kept) == []


@every_example
async def test_an_example_reads_the_same_over_a_connection(name: str) -> None:
    request, expected = EXPECTED[name]
    async with answering(example(name)) as (client, _):
        assert await client.send(request) == expected
        assert await client.send_raw(request) == example(name)


@every_example
def test_an_example_reads_the_same_on_the_tolerant_road(name: str) -> None:
    """A field that only the fast road would refuse sends the whole body down the other one."""
    request, expected = EXPECTED[name]
    odd = document(name)
    if name == "list":
        odd["evals"][0]["versionId"] = 4
    else:
        odd["versionId"] = 4.0
    found = request.reply.decode(msgspec.json.encode(odd))
    if hasattr(expected, "version_id"):
        assert found.version_id == "4"
        found = msgspec.structs.replace(found, version_id=expected.version_id)
    assert found == expected


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("map_results", "detection"),
        ("map_results_segmentation", "segmentation"),
        ("seed_performance_by_class", "detection"),
        ("seed_performance_by_class_segmentation", "segmentation"),
    ],
)
def test_the_task_type_picks_the_shape(name: str, shape: str) -> None:
    request, _ = EXPECTED[name]
    assert request.reply.decode(example(name)).shape == shape


def test_what_the_structs_derive() -> None:
    def read(name: str) -> Any:
        return EXPECTED[name][1]

    assert read("seed_get_done").created.isoformat() == "2026-04-27T20:04:10.904000+00:00"
    matrix: ConfusionMatrix = read("confusion_matrix")
    assert matrix.background == 2
    assert matrix.count("Car-rims", "Car-rims") == 20
    assert matrix.count("background", "Car-rims") == 80
    assert matrix.count("Car-rims", "background") == 0
    with pytest.raises(ValueError, match="not in"):
        matrix.count("unknown", "Car-rims")
    points = read("confidence_sweep").splits["test"].points
    assert [point.threshold for point in points] == [0.0, 0.2, 0.37, 0.5]
    assert points[2] == SweepPoint(0.37, _BEST)
    assert len(read("recommendations").items) == 1
    assert read("recommendations_not_generated").items == ()


@pytest.mark.parametrize("change", [lambda page: page.images[0].stats, lambda page: page.images[0].cluster.embedding])
def test_the_structs_are_frozen(change: Callable[[Any], Any]) -> None:
    leaf = change(EXPECTED["seed_image_predictions"][1])
    with pytest.raises(AttributeError):
        setattr(leaf, leaf.__struct_fields__[0], 1)

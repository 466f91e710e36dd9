"""The tables of an export: the rows as structs, column by column, and how they are made from the API's replies.

Metrics are fractions from 0 to 1. A column is null where the server leaves the field out; null never means 0.
"""

from collections.abc import Sequence

import msgspec

from ..roboflow.payloads import ImagePrediction, ModelEval, Summary


class EvalRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `evals`: one evaluation, from `get` (page get-a-model-evaluation).

    | column | unit | source |
    |---|---|---|
    | eval_id | text | evalId |
    | status | text | status |
    | project | URL slug, null once deleted | project |
    | version_id | a number as text | versionId |
    | model_id | internal id | modelId |
    | model_url | public id | modelUrl |
    | created_at | ISO 8601 text, as the server writes it | createdAt |
    | map50 | fraction, test split, IoU 0.5 | summary.mAP |
    | miou | fraction, test split | summary.mIoU |
    | precision, recall | fractions at the F1-optimal threshold | summary.precision, summary.recall |
    """

    eval_id: str
    status: str
    project: str | None
    version_id: str | None
    model_id: str | None
    model_url: str | None
    created_at: str | None
    map50: float | None
    miou: float | None
    precision: float | None
    recall: float | None


class ConfusionCell(msgspec.Struct, frozen=True, gc=False):
    """`count` objects (pixels for semantic segmentation) of class `actual` were taken for `predicted`.

    Both index the `classes` of the evaluation's confusion matrix.
    """

    actual: int
    predicted: int
    count: int


class ImageRow(msgspec.Struct, frozen=True, gc=False):
    """A row of `images`: one image, from page per-image-predictions.

    | column | unit | source |
    |---|---|---|
    | eval_id | text | the evaluation asked for |
    | split | train, valid or test | the split asked for; images[].split must agree |
    | position | row number in the split, from 0, in the server's order | offset + index |
    | image_id | id of the source image | images[].imageId |
    | image_name | file name | images[].imageName |
    | augmentations | number | images[].augmentations |
    | cluster_id | -1 is noise | images[].cluster.id |
    | embedding_x, embedding_y | no unit | images[].cluster.embedding2D |
    | true_positives, false_positives, false_negatives | objects, or pixels | images[].stats |
    | precision, recall, f1 | fractions | images[].stats |
    | confusion | list of {actual, predicted, count} | images[].confusion |
    """

    eval_id: str
    split: str
    position: int
    image_id: str | None
    image_name: str | None
    augmentations: int | None
    cluster_id: int | None
    embedding_x: float | None
    embedding_y: float | None
    true_positives: int | None
    false_positives: int | None
    false_negatives: int | None
    precision: float | None
    recall: float | None
    f1: float | None
    confusion: tuple[ConfusionCell, ...]


class ImageKey(msgspec.Struct, frozen=True, gc=False):
    """The two columns that tell the rows of one split apart: see `images.marks`."""

    image_id: str | None
    image_name: str | None


def eval_row(eval_id: str, ev: ModelEval) -> EvalRow:
    """Return the evaluation's row."""
    summary = ev.summary or Summary()
    return EvalRow(
        eval_id=eval_id,
        status=ev.status,
        project=ev.project,
        version_id=ev.version_id,
        model_id=ev.model_id,
        model_url=ev.model_url,
        created_at=ev.created_at,
        map50=summary.map50,
        miou=summary.miou,
        precision=summary.precision,
        recall=summary.recall,
    )


def image_rows(eval_id: str, split: str, position: int, images: Sequence[ImagePrediction]) -> list[ImageRow]:
    """Return the rows of images that follow one another from row `position` of the split on."""
    return [_image_row(eval_id, split, row, image) for row, image in enumerate(images, position)]


def _image_row(eval_id: str, split: str, position: int, image: ImagePrediction) -> ImageRow:
    cluster, stats = image.cluster, image.stats
    point = cluster.embedding if cluster is not None else None
    # By position: names would cost a tenth of the export's time.
    return ImageRow(
        eval_id,
        split,
        position,
        image.image_id,
        image.image_name,
        image.augmentations,
        cluster.id if cluster is not None else None,
        point.x if point is not None else None,
        point.y if point is not None else None,
        stats.true_positives,
        stats.false_positives,
        stats.false_negatives,
        stats.precision,
        stats.recall,
        stats.f1,
        tuple([ConfusionCell(cell.actual, cell.predicted, cell.count) for cell in image.confusion]),
    )

"""Images with ground truth and scored predictions, drawn from a seed: what every panel is derived from.

Each image carries outcomes. An outcome joins what is there with what the model says about it, so one rule
covers objects and pixels: at a threshold of p percent the model says `predicted` if the score reaches p, and
`background` otherwise.
"""

from __future__ import annotations

from random import Random

from msgspec import Struct

from .spec import SEMANTIC_SEGMENTATION, EvaluationSpec

SMALL, MEDIUM, LARGE = 0, 1, 2
ALPHANUMERICS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
ID_LENGTH = 20  # as the ids in the documented examples

_LOWEST_MATCH = 0.5  # a prediction that overlaps less is drawn as a false alarm: map50 counts every right match
_HIGHEST_MATCH = 0.98  # nobody draws the annotator's very box
_WRONG_CLASS = 0.06  # share of the objects found under another class's name
_OVERFIT = 0.05  # models do better on what they were trained on
_NOISE = 0.08  # the documented example's noise ratio is 15 of 192 images
_SCENE_PIXELS = 4_000 * 3_000  # a usual 12-megapixel camera; a few hundred images pass 2**31 pixels in all


class Outcome(Struct, frozen=True, gc=False):
    """A prediction, a missed object, or in semantic segmentation a region of pixels."""

    actual: int
    """Class index of the ground truth; the number of classes stands for background."""
    predicted: int
    """Class index of the prediction at threshold 0; background: nothing is predicted at any threshold."""
    score: float
    """Confidence, a fraction below 1."""
    percent: int
    """The score in whole percents, rounded down: the last threshold that still keeps the prediction."""
    weight: int
    """1 for an object, the number of pixels for a region."""
    iou: float
    """Overlap with the ground truth, a fraction; 0 without a match."""
    size: int
    """`SMALL`, `MEDIUM` or `LARGE`."""


class Image(Struct, frozen=True):
    """One image of one split; `copies` is how many rows of the evaluation have its content."""

    image_id: str
    name: str
    split: str
    augmentations: int
    cluster: int
    embedding: tuple[float, float]
    outcomes: tuple[Outcome, ...]
    copies: int


class _Cluster(Struct, frozen=True):
    x: float
    y: float
    ease: float


def draw_id(rng: Random) -> str:
    """A 20-character alphanumeric id."""
    return "".join(rng.choices(ALPHANUMERICS, k=ID_LENGTH))


def draw_split(spec: EvaluationSpec, split: str, seed: int) -> list[Image]:
    """The images of one split in row order, at most `spec.block_size` of them.

    Ids, names, clusters and ground truth come from the project, predictions from the evaluation: two versions
    of one project are measured on the same images.
    """
    rows = spec.images.get(split, 0)
    drawn = min(rows, spec.block_size)
    owner = spec.project or spec.eval_id
    truth = Random(f"{seed}/{owner}/{split}")
    model = Random(f"{seed}/{spec.eval_id}/{split}")
    clusters = _draw_clusters(spec, Random(f"{seed}/{owner}/clusters"))
    missing = spec.absent.get(split, ())
    present = [index for index, name in enumerate(spec.classes) if name not in missing]
    # Earlier classes are more frequent, so that class imbalance has something to find.
    shares = [1 / (rank + 1) ** 0.7 for rank in range(len(present))]
    skill = spec.skill + (_OVERFIT if split == "train" else 0.0)
    draw = _draw_regions if spec.task_type == SEMANTIC_SEGMENTATION else _draw_objects
    images: list[Image] = []
    for position in range(drawn):
        cluster = -1 if truth.random() < _NOISE else truth.randrange(spec.clusters)
        centre = clusters[cluster]
        image_id = draw_id(truth)
        if spec.odd_rows and position == 1:
            image_id = images[0].image_id
        images.append(
            Image(
                image_id=image_id,
                name=_name(split, position),
                split=split,
                augmentations=truth.randrange(3),
                cluster=cluster,
                embedding=(centre.x + truth.uniform(-1.0, 1.0), centre.y + truth.uniform(-1.0, 1.0)),
                outcomes=tuple(draw(spec, present, shares, skill * centre.ease, truth, model)),
                copies=(rows - position + drawn - 1) // drawn,
            )
        )
    return images


def _draw_clusters(spec: EvaluationSpec, rng: Random) -> list[_Cluster]:
    """The clusters by id, the noise cluster last (so that it has index -1); every fourth one is hard."""
    found = [
        _Cluster(rng.uniform(-12.0, 12.0), rng.uniform(-12.0, 12.0), 0.6 if index % 4 == 3 else 1.0)
        for index in range(spec.clusters)
    ]
    return [*found, _Cluster(0.0, 0.0, 0.75)]


def _name(split: str, position: int) -> str:
    """A file name that is unique in its evaluation; some hold what people really put into file names."""
    match position % 40:  # often enough that a page of 50 shows each kind
        case 7:
            return f"{split} café №{position:06d}.jpg"
        case 19:
            return f"{split}-a+b&c#{position:06d}%.png"
        case 33:
            return f'{split} "quoted", {position:06d}.jpeg'
        case _:
            return f"{split}_{position:06d}.jpg"


def _outcome(actual: int, predicted: int, score: float, weight: int, iou: float, size: int) -> Outcome:
    return Outcome(actual, predicted, score, int(score * 100), weight, iou, size)


def _draw_objects(
    spec: EvaluationSpec, present: list[int], shares: list[float], skill: float, truth: Random, model: Random
) -> list[Outcome]:
    """Objects found, misnamed or missed, and false alarms on the background."""
    background = len(spec.classes)
    largest = LARGE if spec.large_objects else MEDIUM
    count = truth.randrange(2 * spec.objects_per_image + 1)  # uniform from 0, its mean is objects_per_image
    actuals = truth.choices(present, shares, k=count) if present else []
    outcomes: list[Outcome] = []
    for actual in actuals:
        size = truth.randint(SMALL, largest)
        luck = model.random()
        looseness = model.random() ** (1.6 if size == SMALL else 3.0)  # small boxes are drawn looser
        iou = _HIGHEST_MATCH - (_HIGHEST_MATCH - _LOWEST_MATCH) * looseness
        if luck < skill:
            score = 0.995 - 0.75 * model.random() ** 2  # right answers crowd near 1
            outcomes.append(_outcome(actual, actual, score, 1, iou, size))
        elif luck < skill + _WRONG_CLASS and len(present) > 1:
            other = present[(present.index(actual) + 1) % len(present)]
            outcomes.append(_outcome(actual, other, 0.1 + 0.6 * model.random(), 1, iou, size))
        else:
            outcomes.append(_outcome(actual, background, 0.0, 1, 0.0, size))
    for _ in range(model.randrange(5) if present else 0):  # two false alarms an image, most of them unsure
        predicted = model.choices(present, shares)[0]
        score = 0.02 + 0.7 * model.random() ** 2.5
        outcomes.append(_outcome(background, predicted, score, 1, 0.0, model.randint(SMALL, largest)))
    return outcomes


def _draw_regions(
    spec: EvaluationSpec, present: list[int], shares: list[float], skill: float, truth: Random, model: Random
) -> list[Outcome]:
    """Regions of pixels: mostly named rightly, with ragged borders, over a background that fills the scene.

    Right and wrong pixels get scores from one distribution, so that leaving any out costs F1 and the optimum
    is 0.0, as in the documented example.
    """
    background = len(spec.classes)
    outcomes: list[Outcome] = []
    left = _SCENE_PIXELS
    count = truth.randrange(1, 2 * spec.objects_per_image) if present else 0
    for actual in truth.choices(present, shares, k=count) if present else []:
        area = min(truth.randrange(20_000, 1_500_000), left // 2)  # a distant sign up to an eighth of the scene
        right = int(area * (1 - (1 - skill) * model.random()))
        border = (area - right) // 2
        other = present[(present.index(actual) + 1) % len(present)]
        spill = int(area * (1 - skill) * model.random() / 2)
        left -= area + spill
        parts = [
            (actual, actual, right // 3),
            (actual, actual, right - right // 3),
            (actual, other, border),
            (actual, background, area - right - border),
            (background, actual, spill),
        ]
        for there, said, pixels in parts:
            if pixels:
                score = 0.0 if said == background else 0.15 + 0.84 * model.random()
                outcomes.append(_outcome(there, said, score, pixels, 0.0, MEDIUM))
    outcomes.append(_outcome(background, background, 0.0, left, 0.0, MEDIUM))
    return outcomes

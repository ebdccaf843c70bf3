"""Writes label_metrics.txt: numbers of predictions of several classes an image,
on random scores, by scikit-learn, for tests/unit/label_metrics_test.c.
Needs numpy and scikit-learn:  python label_metrics.py
A case: name, images, classes; of each image which classes are there and their
probabilities; for each class recall, precision, F1, average precision (nan =
undefined); then exact match, label accuracy, recall, precision, F1 and average
precision over all images and classes (micro), their means over the classes that
have them (macro), calibration error over all images and classes."""
import os
import warnings

import numpy as np
from sklearn import metrics

warnings.filterwarnings("ignore")
BINS = 15


def row(numbers):
    return " ".join("%r" % float(x) for x in np.asarray(numbers).ravel()) + "\n"


def case(name, logits, truth, digits=6):
    count, classes = logits.shape
    p = np.round(1 / (1 + np.exp(-logits)), digits)
    guess = (p > 0.5).astype(int)
    has = truth.any(0)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, guess, zero_division=np.nan)
    ap = np.where(has, metrics.average_precision_score(truth, p, average=None),
                  np.nan)
    if has.all():  # scikit-learn counts classes that are nowhere as 0
        assert np.isclose(np.nanmean(ap),
                          metrics.average_precision_score(truth, p))
    micro = metrics.precision_recall_fscore_support(
        truth, guess, average="micro", zero_division=np.nan)
    flat, there = p.ravel(), truth.ravel()
    bins = np.digitize(flat, np.linspace(0, 1, BINS + 1), right=True) - 1
    ece = sum(abs(there[bins == b].sum() - flat[bins == b].sum())
              for b in range(-1, BINS)) / flat.size
    out = "case %s %d %d\n" % (name, count, classes)
    for i in range(count):
        out += " ".join(str(int(x)) for x in truth[i]) + " " + row(p[i])
    for c in range(classes):
        out += row([recall[c], precision[c], f1[c], ap[c]])
    out += row([metrics.accuracy_score(truth, guess),
                1 - metrics.hamming_loss(truth, guess),
                micro[1], micro[0], micro[2],
                metrics.average_precision_score(truth, p, average="micro"),
                np.nanmean(recall), np.nanmean(precision), np.nanmean(f1),
                np.nanmean(ap), ece])
    return out


def main():
    rng = np.random.default_rng(21)

    def draw(count, classes, share, pull):
        truth = (rng.random((count, classes)) < share).astype(int)
        return rng.normal(size=(count, classes)) * 2 + pull * truth - 1, truth

    text = case("many", *draw(200, 6, 0.3, 2.0))
    text += case("two", *draw(50, 2, 0.5, 1.0))
    text += case("ties", *draw(90, 4, 0.4, 1.0), digits=1)
    # Class 1 is nowhere, class 2 never predicted, class 3 neither.
    logits, truth = draw(80, 4, 0.4, 1.0)
    truth[:, 1] = truth[:, 3] = 0
    logits[:, 2] -= 30
    logits[:, 3] -= 30
    text += case("gaps", logits, truth)
    logits, truth = draw(40, 3, 0.5, 0)
    text += case("right", 40.0 * truth - 20, truth)
    text += case("wrong", 20 - 40.0 * truth, truth)
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "label_metrics.txt"), "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()

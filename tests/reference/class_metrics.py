"""Writes class_metrics.txt: numbers of classifiers on random predictions by
scikit-learn, for tests/unit/class_metrics_test.c.
Needs numpy, scipy and scikit-learn:  python class_metrics.py
A case: name, images, classes; the true class and the probabilities of each
image; for each class recall, precision, F1, average precision (nan = undefined); then accuracy,
both bounds of Wilson's interval, balanced accuracy, the means of precision, F1
and average precision over the classes that have them, calibration error; the
confusion matrix; images, mean confidence and accuracy of each bin."""
import os
import warnings

import numpy as np
from scipy.special import softmax
from scipy.stats import binomtest
from sklearn import metrics

warnings.filterwarnings("ignore")
BINS = 15


def row(numbers):
    return " ".join("%r" % float(x) for x in np.asarray(numbers).ravel()) + "\n"


def case(name, logits, truth, digits=6):
    count, classes = logits.shape
    every = np.arange(classes)
    p = np.round(softmax(logits, axis=1), digits)
    guess = p.argmax(axis=1)
    has = np.isin(every, truth)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, guess, labels=every, zero_division=np.nan)
    ap = np.array([metrics.average_precision_score(truth == c, p[:, c])
                   if has[c] else np.nan for c in every])
    interval = binomtest(int((guess == truth).sum()), count).proportion_ci(
        0.95, method="wilson")
    confidence = p.max(axis=1)
    bins = np.digitize(confidence, np.linspace(0, 1, BINS + 1), right=True) - 1
    table, ece = [], 0
    for b in range(BINS):
        inside = bins == b
        n = inside.sum()
        mean = confidence[inside].mean() if n else 0
        right = (guess == truth)[inside].mean() if n else 0
        ece += n / count * abs(right - mean)
        table.append((n, mean, right))
    # Where scikit-learn has a mean of its own, it is the one written.
    mean_f1 = metrics.f1_score(truth, guess, labels=every, average="macro",
                               zero_division=np.nan)
    mean_precision = metrics.precision_score(
        truth, guess, labels=every, average="macro", zero_division=np.nan)
    out = "case %s %d %d\n" % (name, count, classes)
    for i in range(count):
        out += "%d " % truth[i] + row(p[i])
    for c in every:
        out += row([recall[c], precision[c], f1[c], ap[c]])
    out += row([metrics.accuracy_score(truth, guess), interval.low,
                interval.high, metrics.balanced_accuracy_score(truth, guess),
                mean_precision, mean_f1, np.nanmean(ap), ece])
    out += row(metrics.confusion_matrix(truth, guess, labels=every))
    for entry in table:
        out += row(entry)
    return out


def main():
    rng = np.random.default_rng(14)

    def draw(count, classes, pull):
        truth = rng.integers(classes, size=count)
        logits = rng.normal(size=(count, classes)) * 2
        logits[np.arange(count), truth] += pull
        return logits, truth

    text = case("many", *draw(300, 7, 1.5))
    text += case("two", *draw(60, 2, 1))
    # Equal scores of many images, and of classes of one image.
    text += case("ties", *draw(120, 4, 1), digits=1)
    # Class 1 has no images, class 3 is never predicted, class 4 is neither.
    logits, truth = draw(80, 5, 1)
    truth[truth == 1] = 0
    truth[truth == 4] = 2
    logits[:, 3] -= 30
    logits[:, 4] -= 30
    text += case("gaps", logits, truth)
    # All right, and all wrong.
    logits, truth = draw(40, 3, 40)
    text += case("right", logits, truth)
    text += case("wrong", logits, (truth + 1) % 3)
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "class_metrics.txt"), "w") as file:
        file.write(text)


if __name__ == "__main__":
    main()

"""Writes augment.txt: operations of augmentation by torchvision, for
tests/unit/augment_steps_test.c.
Needs torch and torchvision:  python augment.py
`size N`, the side of the images that follow, made as by make_image; `case NAME ARGS...`, an operation with its arguments in the order
of runtime/data/augment.def, a word by its place, and below it the image, channel
by channel; `space NAME OPERATION SIGNED AMOUNTS...`, what one operation of a
policy may be by; `boxes` and means over many draws of RandomErasing: height,
width, their product, row, column."""
import math
import os

import torch
import torchvision
from torchvision.transforms import autoaugment
from torchvision.transforms import functional as F
from torchvision.transforms.functional import InterpolationMode

torch.manual_seed(1)
SIZE, LARGE = 9, 24
NEAREST, BILINEAR = InterpolationMode.NEAREST, InterpolationMode.BILINEAR



def make_image(size):
    y, x, c = torch.meshgrid(torch.arange(size), torch.arange(size), torch.arange(3), indexing="ij")
    raw = (37 * x + 91 * y + 13 * x * y + 59 * c + 7 * c * x) % 256
    return torch.where(y % 4 == 0, raw, 40 + raw // 2).permute(2, 0, 1).to(torch.uint8)


image = make_image(SIZE)
floats = image.double() / 255
out = "size %d\n" % SIZE


def case(text, result):
    global out
    if result.dtype == torch.uint8:
        result = result.double() / 255
    out += "case %s\n" % text
    out += " ".join("%.7g" % v for v in result.flatten().tolist()) + "\n"


def affine(mode, **changed):
    given = dict(angle=0.0, translate=[0, 0], scale=1.0, shear=[0.0, 0.0], interpolation=mode)
    given.update(changed)
    return F.affine(floats, **given)


for threshold in (0.5, 100 / 255, 238 / 255):
    case("solarize 1 %.9g %.9g 0" % (threshold, threshold), F.solarize(image, round(threshold * 255)) if threshold != 0.5 else F.solarize(floats, 0.5))
for bits in (1, 4, 7, 8):
    case("posterize 1 %d %d 0" % (bits, bits), F.posterize(image, bits))
case("autocontrast 1", F.autocontrast(floats))
for what, adjust in enumerate((F.adjust_sharpness, F.adjust_brightness, F.adjust_contrast, F.adjust_saturation)):
    for factor in (0, 0.4, 1.9):
        case("enhance %d 1 %g %g 0 0" % (what, factor - 1, factor - 1), adjust(floats, factor))
for degrees in (17, -101.5, 90):
    case("rotate 1 %g %g 0 0 0" % (degrees, degrees), F.rotate(floats, degrees, BILINEAR))
    case("rotate 1 %g %g 0 0 1" % (degrees, degrees), F.rotate(floats, degrees, NEAREST))
for by in (0.23, -0.61):
    tilt = math.degrees(math.atan(by))
    case("shear 0 1 %g %g 0 0 0" % (by, by), affine(BILINEAR, shear=[tilt, 0.0], center=[0, 0]))
    case("shear 0 1 %g %g 0 0 1" % (by, by), affine(NEAREST, shear=[tilt, 0.0], center=[0, 0]))
    case("shear 1 1 %g %g 0 0 0" % (by, by), affine(BILINEAR, shear=[0.0, tilt], center=[0, 0]))
    case("shear 1 1 %g %g 0 0 1" % (by, by), affine(NEAREST, shear=[0.0, tilt], center=[0, 0]))
for by in (2.9, -1.9):
    case("translate 0 1 %g %g 0 0" % (by, by), affine(NEAREST, translate=[int(by), 0]))
    case("translate 1 1 %g %g 0 0" % (by, by), affine(NEAREST, translate=[0, int(by)]))

case("equalize 1", F.equalize(image))  # too small to change
out += "size %d\n" % LARGE
case("equalize 1", F.equalize(make_image(LARGE)))

for name, space in (("rand_augment", autoaugment.RandAugment()._augmentation_space(31, (96, 96))),
                    ("trivial_augment", autoaugment.TrivialAugmentWide()._augmentation_space(31))):
    for operation, (amounts, signed) in space.items():
        if name == "rand_augment" and amounts.ndim:
            amounts = amounts[13]
        amounts = amounts.reshape(-1).double()
        if operation == "Solarize":
            amounts = amounts / 255
        out += "space %s %s %d" % (name, operation, signed)
        out += "".join(" %.7g" % a for a in sorted(amounts.tolist())) + "\n"

count, sums, none = 100000, torch.zeros(5, dtype=torch.float64), 0
blank = torch.zeros(3, 40, 30)
for _ in range(count):
    i, j, h, w, v = torchvision.transforms.RandomErasing.get_params(blank, (0.02, 0.33), (0.3, 3.3), [0.0])
    if h == 40 and w == 30:
        none += 1
    else:
        sums += torch.tensor([h, w, h * w, i, j], dtype=torch.float64)
out += "boxes" + "".join(" %.6g" % v for v in (sums / (count - none)).tolist()) + "\n"
with open(os.path.join(os.path.dirname(__file__), "augment.txt"), "w") as file:
    file.write(out)

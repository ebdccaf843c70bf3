"""The peer of input.c: torchvision's transforms on PIL images, one thread.

    input_torch.py FOLDER SIZE STRENGTH BLUR

Writes "ready"; for each line on standard input it reads every file in FOLDER,
makes two views as tensors and answers with the processor milliseconds an
image, all and of reading alone."""
import glob
import sys
import time

import torch
from PIL import Image
from torchvision import transforms as T

torch.set_num_threads(1)
folder, size, strength, blur = (
    sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "1")
files = sorted(glob.glob(folder + "/**/*.jp*g", recursive=True))
if not files:
    sys.exit("no JPEG files in " + folder)
files = files[::max(1, len(files) // 200)][:200]
steps = [
    T.RandomResizedCrop(size, interpolation=T.InterpolationMode.BICUBIC),
    T.RandomHorizontalFlip(),
    T.RandomApply([T.ColorJitter(.8 * strength, .8 * strength, .8 * strength,
                                 .2 * strength)], p=.8),
    T.RandomGrayscale(.2),
]
if blur:
    steps.append(T.RandomApply([T.GaussianBlur(2 * (size // 20) + 1,
                                               (.1, 2.))], p=.5))
view = T.Compose([*steps, T.ToTensor()])

print("ready", flush=True)
for _ in sys.stdin:
    start, reading = time.process_time(), 0.0
    for name in files:
        before = time.process_time()
        image = Image.open(name).convert("RGB")
        reading += time.process_time() - before
        view(image)
        view(image)
    spent = time.process_time() - start
    print(1e3 * spent / len(files), 1e3 * reading / len(files), flush=True)

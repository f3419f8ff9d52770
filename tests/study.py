"""Does attention help where it should be able to? ``python tests/study.py`` trains what is missing, then prints the tables.

    cluttered   where is the glyph?                  scales   how large is it?                       (`tinyattn list data`)

    arm         attention_cnn with …                               question
    mean        global average pooling, no gate                    the net
    widened     the same, its last stages wider                    the net with as many parameters as the largest arm below
    pooling     attention pooling                                  does it help to choose the places the answer is read from?
    cbam        CBAM after each stage                              does it help to weigh channels and places on the way?
    uniform     level_cnn, every level counts a third (scales)     the control of the next one
    levels      level_cnn, levels weighed for each image (scales)  does it help to choose the level?

Every arm has the same images, batches, epochs and schedule. Its learning rate is the best of LRS on validation images (of the
training typefaces, never trained on), by one run each with a seed of its own (3e-3 was tried for the first arm alone, with
twice the images, and lay 11 and 4 points behind 1e-2: it is left out); then come SEEDS runs, and only these see the
test images (other typefaces), once: as they are, and under every corruption at severity 3. The recorded file
(tests/recorded/attention_study.json) is written after every run, so the study can be broken off and taken up again.

The intervals are bootstrapped: the seeds, and the test images, which both arms have in common, are drawn again with
replacement, 10,000 times; 95 % of the differences of the mean accuracies lie inside. They are not corrected for there being
several of them, and three seeds say little about how much seeds differ. The runs are short: 512 steps.
"""
import argparse
import base64
import json
import pathlib
import sys
import time

import numpy as np

import tinyattn as ta
from tinyattn import training, viz
from tinyattn.data import DataLoader, load, transforms
from tinyattn.models import AttentionCNN, LevelCNN
from tinyattn.nn import functional as F
from tinyattn.training import checkpoint, robustness, setup
from tinyattn.training.config import complete

RECORDED = pathlib.Path(__file__).resolve().parent / "recorded" / "attention_study.json"
TRAIN, VALIDATION, TEST, CORRUPTED = 4100, 1025, 2050, 820      # images: 100, 25, 50, 20 of each class
EPOCHS, BATCH, LRS, SEEDS, SEARCH_SEED, SEVERITY = 4, 32, (1e-2, 3e-2), (0, 1, 2), 100, 3
WIDTHS, WIDENED = (8, 16, 32), (8, 16, 33)
PIXELS = {"cluttered": 60, "scales": 40}
SIZES = (8, 12, 16, 20, 24, 28)                                 # of glyphs in `scales`, in pixels: the bounds of five groups

ARMS = {
    "mean": lambda size: AttentionCNN(1, 41, size, "none", WIDTHS, pool="mean"),
    "widened": lambda size: AttentionCNN(1, 41, size, "none", WIDENED, pool="mean"),
    "pooling": lambda size: AttentionCNN(1, 41, size, "none", WIDTHS, pool="attention"),
    "cbam": lambda size: AttentionCNN(1, 41, size, "cbam", WIDTHS, pool="mean"),
    "uniform": lambda size: LevelCNN(1, 41, size, "none", WIDTHS, levels="uniform"),
    "levels": lambda size: LevelCNN(1, 41, size, "none", WIDTHS, levels="learned"),
}
PLAN = {"cluttered": ("mean", "widened", "pooling", "cbam"), "scales": tuple(ARMS)}
PAIRS = (("pooling", "widened"), ("cbam", "widened"), ("pooling", "mean"), ("cbam", "mean"), ("mean", "widened"), ("levels", "uniform"))


class Images:
    """The images of one data set that the study uses: `train`, `validation`, `test`; each drawn when it is first asked for."""

    def __init__(self, name):
        self.name, self._drawn = name, {}

    def __getattr__(self, part):
        if part not in self._drawn:
            if part == "test":
                self._drawn[part] = load(self.name, "test", size=TEST)
            else:
                whole = load(self.name, "train", size=TRAIN + VALIDATION)
                for each, rows in (("train", slice(0, TRAIN)), ("validation", slice(TRAIN, None))):
                    cut = setup.Part(whole)
                    cut.images, cut.labels = whole.images[rows], whole.labels[rows]
                    self._drawn[each] = cut
        return self._drawn[part]


def train(arm, data, lr, seed, folder):
    """A trained model of an arm: AdamW, one cycle, smoothed labels, as `tinyattn train` does it; the seconds; the last epoch's accuracy.

    What an epoch leaves is kept in a file of `folder`, so that a run that is broken off goes on from there.
    """
    ta.manual_seed(seed)
    model, part, began = ARMS[arm](PIXELS[data.name]), data.train, time.perf_counter()
    config = complete(data=data.name, model="attention_cnn", attention="none", lr=lr, batch_size=BATCH, epochs=EPOCHS, seed=seed)
    loader = DataLoader(part, BATCH, shuffle=True, seed=seed, drop_last=True, transform=transforms.Normalize(part.mean, part.std))
    optimizer = setup.build_optimizer(config, model)
    schedule = setup.build_schedule(config, optimizer, EPOCHS * len(loader))
    file = folder / f".study-{data.name}-{arm}-{lr:g}-{seed}.safetensors"
    before = 0.0
    if file.exists():
        state = checkpoint.load(file)
        for each, name in ((model, "model"), (optimizer, "optimizer"), (schedule, "schedule"), (loader, "loader")):
            each.load_state_dict(state[name])
        before = state["seconds"]
    for epoch in range(loader.epoch, EPOCHS):
        right = seen = 0
        for images, labels in loader:
            logits = model(images)
            optimizer.zero_grad()
            F.cross_entropy(logits, labels, label_smoothing=config.label_smoothing).backward()
            optimizer.step()
            schedule.step()
            right, seen = right + int((logits.data.argmax(1) == labels.data).sum()), seen + len(images)
        seconds = before + time.perf_counter() - began
        if epoch + 1 < EPOCHS:
            checkpoint.save(file, {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
                                   "loader": loader.state_dict(), "seconds": seconds})
    file.unlink(missing_ok=True)
    return model, seconds, right / seen


def packed(right):
    """Which test images were answered rightly, as text: eight a byte, base64."""
    return base64.b64encode(np.packbits(right)).decode()


def unpacked(row):
    """bool (TEST,): which test images the run of this row answered rightly."""
    return np.unpackbits(np.frombuffer(base64.b64decode(row["right"]), np.uint8))[:TEST].astype(bool)


def level_weights(model, test):
    """The shares of the levels for every test image (N, L)."""
    found = []
    model.eval()
    with ta.no_grad():
        for images, _ in setup.test_loader(test):
            with viz.record(model) as recording:
                model(images)
            found.append(recording.of_kind("levels")[0][1])
    return np.concatenate(found)


class Fixed(ta.nn.Module):
    """The same shares of the levels for every image: what a `LevelGate` becomes when nothing may depend on the image."""

    def __init__(self, shares):
        super().__init__()
        self.shares = [float(share) for share in shares]

    def forward(self, maps):
        return sum(x * share for x, share in zip(maps, self.shares))


def search(arm, data, record, say, folder):
    """Fill in the validation accuracies of an arm that are missing; the best learning rate."""
    found = record["search"].setdefault(data.name, {}).setdefault(arm, {})
    for lr in LRS:
        if str(lr) not in found:
            model, seconds, _ = train(arm, data, lr, SEARCH_SEED, folder)
            found[str(lr)] = training.evaluate(model, data.validation).accuracy
            say(f"{data.name} {arm} lr {lr:g}: {found[str(lr)]:.1%} of the validation images, {seconds:.0f} s", record)
    return max(LRS, key=lambda lr: found[str(lr)])


def measure(arm, data, lr, seed, folder):
    """One run of an arm, and all that is asked of it: a row of the record."""
    model, seconds, train_accuracy = train(arm, data, lr, seed, folder)
    test = data.test
    answers = training.evaluate(model, test)
    row = {"data": data.name, "arm": arm, "seed": seed, "lr": lr, "parameters": sum(p.numel() for p in model.parameters()),
           "seconds": round(seconds, 1), "train_accuracy": train_accuracy, "accuracy": answers.accuracy, "right": packed(answers.predicted == test.labels)}
    if arm == "levels":
        shares = level_weights(model, test)
        group = np.digitize(test.sizes, SIZES[1:-1])
        row["shares"] = [shares[group == g].mean(0).tolist() for g in range(len(SIZES) - 1)]
        learned = model.mix
        model.mix = Fixed(shares.mean(0))
        row["accuracy_with_mean_shares"] = training.evaluate(model, test).accuracy
        model.mix = Fixed(np.full(shares.shape[1], 1 / shares.shape[1]))
        row["accuracy_with_equal_shares"] = training.evaluate(model, test).accuracy
        model.mix = learned
    return row, model


def corrupted(model, data):
    """Accuracies on the first images of the test split: as they are, and under each corruption."""
    part = setup.Part(data.test, CORRUPTED)
    clean = training.evaluate(model, part).accuracy
    found = robustness.robustness(model, part, clean, tuple(robustness.CORRUPTIONS), (SEVERITY,))
    return {"clean": clean, **{name: row["accuracy"][0] for name, row in found["corruptions"].items()}}


def runs(record, data, arm):
    """The rows of an arm, seed by seed."""
    return sorted((row for row in record["runs"] if row["data"] == data and row["arm"] == arm), key=lambda row: row["seed"])


def interval(ones, others, draws=10_000, seed=0):
    """(difference, low, high) of the mean accuracies of two arms; bool (seeds, images) each, the same seeds and images."""
    difference = ones.astype(np.float64) - others                                    # (seeds, images)
    random, (s, n) = np.random.default_rng(seed), difference.shape
    drawn = np.empty(draws)
    for i in range(draws):
        chosen = random.integers(s, size=s)
        weight = np.bincount(random.integers(n, size=n), minlength=n)
        drawn[i] = (difference[chosen].mean(0) @ weight) / n
    return (float(difference.mean()), *(float(q) for q in np.quantile(drawn, (0.025, 0.975))))


def tables(record):
    """What was found, as lines of text; only of arms whose runs are all there."""
    lines = []
    for data, arms in PLAN.items():
        done = {arm: rows for arm in arms if len(rows := runs(record, data, arm)) == len(SEEDS)}
        if not done:
            continue
        lines += [f"{data}: test accuracy of {TEST:,} images, {len(SEEDS)} seeds; under corruptions: mean of {len(robustness.CORRUPTIONS)} "
                  f"at severity {SEVERITY}, and as a share of clean ({CORRUPTED} images)", "",
                  f"{'arm':<9}{'parameters':>11}{'rate':>7}   " + "".join(f"{f'seed {seed}':>8}" for seed in SEEDS)
                  + f"{'mean':>9}{'corrupted':>11}{'of clean':>10}"]
        for arm, rows in done.items():
            under = [np.mean([row["corrupted"][name] for name in robustness.CORRUPTIONS]) for row in rows]
            clean = [row["corrupted"]["clean"] for row in rows]
            lines.append(f"{arm:<9}{rows[0]['parameters']:>11,}{rows[0]['lr']:>7g}   " + "".join(f"{row['accuracy']:8.2%}" for row in rows)
                         + f"{np.mean([row['accuracy'] for row in rows]):9.2%}{np.mean(under):11.2%}{np.mean(under) / np.mean(clean):10.2%}")
        lines.append("")
        for one, other in PAIRS:
            if one in done and other in done:
                difference, low, high = interval(*(np.stack([unpacked(row) for row in done[arm]]) for arm in (one, other)))
                verdict = "no difference shown" if low <= 0 <= high else "better" if low > 0 else "worse"
                lines.append(f"{one} − {other}: {100 * difference:+.2f} points, 95 % interval {100 * low:+.2f} to {100 * high:+.2f}: {verdict}")
        lines += ["", *(by_size(done) if data == "scales" else [])]
    return lines


def by_size(done):
    """Accuracy, and the shares of the levels, in groups of glyph sizes."""
    group = np.digitize(load("scales", "test", size=TEST).sizes, SIZES[1:-1])
    names = [f"{low}–{high} px" for low, high in zip(SIZES, SIZES[1:])]
    lines = [f"{'accuracy':<12}" + "".join(f"{name:>10}" for name in names)]
    for arm, rows in done.items():
        right = np.mean([unpacked(row) for row in rows], 0)
        lines.append(f"{arm:<12}" + "".join(f"{right[group == g].mean():10.2%}" for g in range(len(names))))
    if "levels" in done:
        shares = np.mean([row["shares"] for row in done["levels"]], 0)               # (groups, levels)
        lines += ["", f"{'share of':<12}" + "".join(f"{name:>10}" for name in names)]
        lines += [f"{f'level {level + 1}':<12}" + "".join(f"{share:10.1%}" for share in shares[:, level]) for level in range(shares.shape[1])]
        for row in done["levels"]:
            lines.append(f"seed {row['seed']}: {row['accuracy']:.2%}; with the mean shares for every image {row['accuracy_with_mean_shares']:.2%}, "
                         f"with equal ones {row['accuracy_with_equal_shares']:.2%}")
    return [*lines, ""]


def protocol():
    """What the record was made with; a record made with something else is not continued."""
    return {"images": [TRAIN, VALIDATION, TEST, CORRUPTED], "epochs": EPOCHS, "batch": BATCH, "rates": list(LRS), "seeds": list(SEEDS),
            "search seed": SEARCH_SEED, "severity": SEVERITY, "widths": [list(WIDTHS), list(WIDENED)], "sizes": list(SIZES)}


def main(argv=None):
    """Train what is missing, write the record after each run, print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", type=pathlib.Path, default=RECORDED, metavar="FILE", help="where rows are kept (default tests/recorded/attention_study.json)")
    parser.add_argument("--data", nargs="*", default=list(PLAN), choices=list(PLAN), metavar="NAME", help="only these data sets")
    parser.add_argument("--arms", nargs="*", default=list(ARMS), choices=list(ARMS), metavar="NAME", help="only these arms")
    parser.add_argument("--seconds", type=float, default=float("inf"), metavar="S", help="begin no run after S seconds")
    parser.add_argument("--tables", action="store_true", help="train nothing, print what is recorded")
    args = parser.parse_args(argv)
    record = json.loads(args.record.read_text()) if args.record.exists() else {"protocol": protocol(), "search": {}, "runs": []}
    if record["protocol"] != protocol():
        sys.exit(f"{args.record} was made with another protocol; name another --record, or remove it")
    began = time.perf_counter()

    def say(words, record):
        args.record.write_text(json.dumps(record, indent=1) + "\n")
        print(words, flush=True)
        if time.perf_counter() - began > args.seconds:
            sys.exit("to be continued")

    ta.set_num_threads(1)                                                           # nets this small leave nothing for a second
    for name in [] if args.tables else args.data:
        data, arms = Images(name), [arm for arm in PLAN[name] if arm in args.arms]
        best = {arm: search(arm, data, record, say, args.record.parent) for arm in arms}
        for seed in SEEDS:                                                          # all arms side by side: a break hits all alike
            for arm in arms:
                if not any(row["seed"] == seed for row in runs(record, name, arm)):
                    row, model = measure(arm, data, best[arm], seed, args.record.parent)
                    row["corrupted"] = corrupted(model, data)
                    record["runs"].append(row)
                    say(f"{name} {arm} seed {seed}: {row['accuracy']:.2%}, {row['seconds']:.0f} s", record)
    print("\n".join(tables(record)))


if __name__ == "__main__":
    main()

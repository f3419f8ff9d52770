"""What is known of the published data sets: where they are, their checksums, their classes, their statistics.

Every file has the checksum of what is published and, where known, of the bytes inside its gzip, because copies are
often packed again. Means and standard deviations are per channel, over the training split, of values from 0 to 1.
"""
import dataclasses


@dataclasses.dataclass(frozen=True)
class Published:
    """One published file: its name, the MD5 sum of it, the MD5 sum of its unzipped bytes ("" where unknown)."""
    name: str
    md5: str
    inner_md5: str = ""


@dataclasses.dataclass(frozen=True)
class Source:
    """One published data set.

    `files` maps a split to what holds it: for IDX the images and the labels, for CIFAR the one archive of both.
    `members` is only CIFAR's: the folder inside the archive, and the files of each split in it.
    """
    name: str
    shape: tuple
    counts: dict
    classes: tuple
    mean: tuple
    std: tuple
    mirrors: tuple
    files: dict
    folder: str = ""
    members: dict = dataclasses.field(default_factory=dict)
    label_bytes: int = 1

    @property
    def is_cifar(self):
        """True for the CIFAR layout (records, in a folder or an archive), False for IDX files."""
        return bool(self.members)


def _idx(name, classes, mean, std, mirrors, sums, inner=("", "", "", "")):
    names = [f"{split}-{kind}-ubyte.gz" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]
    files = [Published(*each) for each in zip(names, sums, inner)]
    return Source(name, (1, 28, 28), {"train": 60000, "test": 10000}, classes, mean, std, mirrors,
                  {"train": tuple(files[:2]), "test": tuple(files[2:])})


def _cifar(name, classes, mean, std, archive, folder, train, test, label_bytes):
    return Source(name, (3, 32, 32), {"train": 50000, "test": 10000}, classes, mean, std,
                  ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/"),
                  {"train": (archive,), "test": (archive,)}, folder, {"train": train, "test": test}, label_bytes)


_CIFAR10 = "airplane automobile bird cat deer dog frog horse ship truck"
_CIFAR100 = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant flatfish
forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree motorcycle
mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate poppy porcupine
possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider squirrel streetcar
sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle wardrobe whale
willow_tree wolf woman worm"""

SOURCES = {source.name: source for source in (
    _idx("mnist", tuple("0123456789"), (0.1307,), (0.3081,),
         ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
         ("f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432",
          "9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c"),
         ("6bbc9ace898e44ae57da46a324031adb", "a25bea736e30d166cdddb491f175f624",
          "2646ac647ad5339dbf082846283269ea", "27ae3e4e09519cfbb04c329615203637")),
    _idx("fashion-mnist",
         ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
         (0.2860,), (0.3530,),
         ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
          "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/"),
         ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe",
          "bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310")),
    _idx("kmnist", ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"), (0.1918,), (0.3483,),
         ("http://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
         ("bdb82020997e1d708af4cf47b453dcf7", "e144d726b3acfaa3e44228e80efcd344",
          "5c965bf0a639b31b8f53240b1b52f4d7", "7320c461ea6c1c855c0b718fb2a4b134")),
    _cifar("cifar10", tuple(_CIFAR10.split()), (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616),
           Published("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530"), "cifar-10-batches-bin",
           tuple(f"data_batch_{i}.bin" for i in range(1, 6)), ("test_batch.bin",), label_bytes=1),
    _cifar("cifar100", tuple(_CIFAR100.split()), (0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762),
           Published("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8"), "cifar-100-binary",
           ("train.bin",), ("test.bin",), label_bytes=2),
)}
"""The published data sets by name."""

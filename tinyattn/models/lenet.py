"""LeNet-5, the network that read cheques. (LeCun, Bottou, Bengio & Haffner, Proc. IEEE 86, 1998)"""
from .. import nn
from ..nn import functional as F


class LeNet(nn.Module):
    """conv 6@5×5 – pool – conv 16@5×5 – pool – 120 – 84 – classes, with ReLU in place of the scaled tanh.

    Images (N, in_channels, image_size, image_size) → scores (N, num_classes). The first convolution pads 28×28 images
    to the 32×32 of the paper.
    """

    def __init__(self, in_channels=1, num_classes=10, image_size=28):
        super().__init__()
        padding = 2 if image_size <= 28 else 0
        side = ((image_size + 2 * padding - 4) // 2 - 4) // 2
        if side < 1:
            raise ValueError(f"LeNet: images of {image_size} pixels are too small; it needs at least 12")
        self.image_size = image_size
        self.conv1 = nn.Conv2d(in_channels, 6, 5, padding=padding)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(16 * side * side, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)          # (N, 6, 14, 14)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)          # (N, 16, 5, 5)
        x = x.flatten(1)                                    # (N, 400)
        if x.shape[1] != self.fc1.in_features:
            raise ValueError(f"LeNet: the images give {x.shape[1]} features, expected {self.fc1.in_features}: this model was made "
                             f"for image_size={self.image_size}")
        x = F.relu(self.fc1(x))                             # (N, 120)
        return self.fc3(F.relu(self.fc2(x)))

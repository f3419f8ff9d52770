"""Museum, exhibit 11: a linear layer over a batch.

Symptom. It trains. The weights arrive in a hundred steps, the bias has hardly moved; the larger the batch, the slower it is.
"""


class Linear:
    """y = x · w + b. x (N, D), w (D, K), b (K,), y (N, K)."""

    def forward(self, x, w, b):
        self.x, self.w = x, w
        return x @ w + b

    def backward(self, dy):
        """dy (N, K); returns dx (N, D), dw (D, K), db (K,)."""
        dx = dy @ self.w.T
        dw = self.x.T @ dy
        db = dy.mean(axis=0)
        return dx, dw, db

"""Kernels of the small networks of a gate: an MLP over the channels, a convolution over two maps of the pixels.

    v_k       mean (k = 0) and maximum (k = 1) of each channel       (N, C)
    h_k       max(W₁ v_k + b₁, 0)                                    (K, N, h)     hidden
    gate      σ(Σ_k (W₂ h_k + b₂)), or σ(Σ_k v_k)                    (N, C)        channel_gate
    pixel     σ(A ∗ filters), A = maps (N, H, W, 2)                  (N, H·W)      pixel_gate

They are short: what costs is launching them, and that their threads wait for memory one after another. So each number has a
thread of its own, and each sum over many a warp. Operands that are not there are arrays without elements.
"""
import math

from ..runtime import cuda, jit, specialised
from ..threads import WARP, warp_sum


@specialised
def hidden(real):
    """h[k,n,j] = max(Σ_c w1[j,c]·v_k[n,c] + b1[j], 0): a warp for each."""
    zero = real(0)

    @jit
    def hidden(w1, b1, mean, most, N, width, h):
        lane, w = cuda.threadIdx.x & 31, cuda.grid(1) >> 5
        if w < h.size:
            row, j = w // width, w % width
            C = w1.size // width
            total = zero
            for c in range(lane, C, WARP):
                total += w1[j * C + c] * (mean[row * C + c] if row < N else most[(row - N) * C + c])
            total = warp_sum(total)
            if lane == 0:
                if b1.size > 0:
                    total += b1[j]
                h[w] = zero if total < zero else total  # NaN stays NaN
    return hidden


@specialised
def channel_gate(real):
    """gate[n,c]: a thread for each. Also writes notes[n, :, c], rows of `width` numbers: mean, maximum, where it is, gate."""
    zero, one = real(0), real(1)

    @jit
    def channel_gate(w2, b2, h, mean, most, where, gate, notes, width):
        i = cuda.grid(1)
        if i < gate.size:
            C = gate.size * 4 * width // notes.size
            N, n, z = gate.size // C, i // C, zero
            c = i - n * C
            pools = 2 if most.size > 0 else 1
            if w2.size > 0:
                units = w2.size // C
                for k in range(pools):
                    for j in range(units):
                        z += w2[c * units + j] * h[(k * N + n) * units + j]
                    if b2.size > 0:
                        z += b2[c]
            else:
                z = mean[i] + (most[i] if most.size > 0 else zero)
            g = one / (one + math.exp(-z))
            at = n * 4 * width + c
            gate[i] = g
            notes[at], notes[at + 3 * width] = mean[i], g
            notes[at + width] = most[i] if most.size > 0 else zero
            notes[at + 2 * width] = real(where[i]) if most.size > 0 else zero
    return channel_gate


@specialised
def pixel_gate(real):
    """pixel[n,i,j] = σ(Σ_{k,r,s} filters[k,r,s]·maps[n, i + r − R//2, j + s − S//2, k]), and notes[n, :, C + i·W + j]."""
    zero, one = real(0), real(1)

    @jit
    def pixel_gate(maps, winner, filters, shape, pixel, notes):
        H, W, R, S, width = shape
        m = cuda.grid(1)
        if m < pixel.size:
            P = H * W
            n = m // P
            i, j, z = (m - n * P) // W, (m - n * P) % W, zero
            for r in range(max(0, R // 2 - i), min(R, H + R // 2 - i)):
                for s in range(max(0, S // 2 - j), min(S, W + S // 2 - j)):
                    at = 2 * (m + (r - R // 2) * W + s - S // 2)
                    z += filters[r * S + s] * maps[at] + filters[(R + r) * S + s] * maps[at + 1]
            g = one / (one + math.exp(-z))
            at = n * 4 * width + width - P + m - n * P
            pixel[m] = g
            notes[at], notes[at + width], notes[at + 2 * width], notes[at + 3 * width] = maps[2 * m], maps[2 * m + 1], real(winner[m]), g
    return pixel_gate


@specialised
def maps_gradient(real):
    """dmaps[n,i,j,k] = Σ_{r,s} filters[k,r,s]·dz[n, i − r + R//2, j − s + S//2]: a thread for each pixel."""
    zero = real(0)

    @jit
    def maps_gradient(dz, filters, shape, dmaps):
        H, W, R, S, _ = shape
        m = cuda.grid(1)
        if m < dz.size:
            i, j, first, second = m % (H * W) // W, m % W, zero, zero
            for r in range(max(0, i + R // 2 - H + 1), min(R, i + R // 2 + 1)):
                for s in range(max(0, j + S // 2 - W + 1), min(S, j + S // 2 + 1)):
                    d = dz[m - (r - R // 2) * W - s + S // 2]
                    first += filters[r * S + s] * d
                    second += filters[(R + r) * S + s] * d
            dmaps[2 * m], dmaps[2 * m + 1] = first, second
    return maps_gradient


@specialised
def filter_gradient(real):
    """partial[n,k,r,s] = Σ_{i,j} dz[n,i,j]·maps[n, i + r − R//2, j + s − S//2, k], with the maps from the notes: a warp for each."""
    zero = real(0)

    @jit
    def filter_gradient(dz, notes, shape, partial):
        H, W, R, S, width = shape
        lane, w = cuda.threadIdx.x & 31, cuda.grid(1) >> 5
        if w < partial.size:
            P, taps = H * W, 2 * R * S
            n, tap = w // taps, w % taps
            k, r, s = tap // (R * S), tap // S % R - R // 2, tap % S - S // 2
            start, total = (n * 4 + k) * width + width - P, zero
            for p in range(lane, P, WARP):
                i, j = p // W + r, p % W + s
                if 0 <= i and i < H and 0 <= j and j < W:
                    total += dz[n * P + p] * notes[start + i * W + j]
            total = warp_sum(total)
            if lane == 0:
                partial[w] = total
    return filter_gradient


@specialised
def hidden_gradient(real):
    """dh[k,n,j] = Σ_c dz[n,c]·w2[c,j] where h[k,n,j] > 0, else 0: a warp for each (n, j)."""
    zero = real(0)

    @jit
    def hidden_gradient(dz, w2, h, units, pools, dh):
        lane, w = cuda.threadIdx.x & 31, cuda.grid(1) >> 5
        count = dh.size // pools
        if w < count:
            n, j, total = w // units, w % units, zero
            C = w2.size // units
            for c in range(lane, C, WARP):
                total += dz[n * C + c] * w2[c * units + j]
            total = warp_sum(total)
            if lane == 0:
                for k in range(pools):
                    dh[k * count + w] = total if h[k * count + w] > zero else zero
    return hidden_gradient


@specialised
def pooled_gradient(real):
    """dv[k,n,c] = Σ_j dh[k,n,j]·w1[j,c]: a thread for each."""
    zero = real(0)

    @jit
    def pooled_gradient(dh, w1, units, dv):
        i = cuda.grid(1)
        if i < dv.size:
            C = w1.size // units
            row, total = i // C, zero
            for j in range(units):
                total += dh[row * units + j] * w1[j * C + i - row * C]
            dv[i] = total
    return pooled_gradient


@specialised
def products(real):
    """y[i,j] = Σ_{k,n} a_k[n,i]·b_k[n,j] for one or two pairs (a₀, b₀), (a₁, b₁); without b, Σ a_k[n,i]. A warp for each."""
    zero = real(0)

    @jit
    def products(a0, b0, a1, b1, N, pools, y):
        lane, w = cuda.threadIdx.x & 31, cuda.grid(1) >> 5
        if w < y.size:
            I, J, total = a0.size // N, max(b0.size // N, 1), zero
            i, j = w // J, w % J
            for m in range(lane, N * pools, WARP):
                n = m if m < N else m - N
                v = a0[n * I + i] if m < N else a1[n * I + i]
                if b0.size > 0:
                    v *= b0[n * J + j] if m < N else b1[n * J + j]
                total += v
            total = warp_sum(total)
            if lane == 0:
                y[w] = total
    return products

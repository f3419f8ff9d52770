"""Who goes where, turned round: for each place, the list of the entries that name it, in their order.

Adding back to places that entries name (a gradient to the pixels that were read) is a race if entries add, and each place adding up
its own must know its entries. Threads first hang each entry into its place's list, by an integer exchanged atomically, which leaves
lists whose order is a matter of luck; then each entry looks through its list for the entry that comes next:

    places named    3  3  0  3   …          hung: head[0] → 2                 ordered: first[0] → 2
    entry           0  1  2  3                    head[3] → 1 → 3 → 0, say             first[3] → 0 → 1 → 3

So whoever then walks along a list adds up in one order, and gets the same bits each time. A list is looked through once by each of
its entries: they are short, or, where everything meets in one place, thousands of threads do so at a time.
"""
import numpy as np

from .array import THREADS, blocks, empty, full
from .runtime import cuda, device, jit, launch, specialised


@device
def _place(index, e, plane, entries, C):
    """Entry e is (n, o, c): of image n, one of `entries` for each channel; it names place index of its plane."""
    return (e // (C * entries) * plane + index) * C + e % C


@specialised
def _hang(number):
    """next_one[e], head[place] = head[place], e."""
    @jit
    def hang(indices, head, next_one, plane, entries, C):
        e = cuda.grid(1)
        if e < indices.size and indices[e] >= 0:
            next_one[e] = cuda.atomic.exch(head, _place(indices[e], e, plane, entries, C), number(e))
    return hang


@jit
def _order(indices, head, next_one, first, after, plane, entries, C):
    """after[e]: the smallest entry above e in e's list, or −1; first[place]: the smallest of all."""
    e = cuda.grid(1)
    if e < indices.size and indices[e] >= 0:
        place = _place(indices[e], e, plane, entries, C)
        other, above, smallest = head[place], -1, True
        while other >= 0:
            if other < e:
                smallest = False
            elif other > e and (above < 0 or other < above):
                above = other
            other = next_one[other]
        after[e] = above
        if smallest:
            first[place] = e


def lists(indices, plane, C, places):
    """(head, first, after): entries of place p are e = first[p], after[e], … down to −1, or none if head[p] is −1.

    indices (N, …, C) name places of image n and channel c as 0 … plane − 1, or −1 for none; there are N·plane·C = `places` of them.
    """
    number = np.int32 if indices.size < 1 << 31 else np.int64
    head, first = full((places,), -1, number), empty((places,), number)
    next_one, after = empty((indices.size,), number), empty((indices.size,), number)
    entries = indices.size // max(indices.shape[0] * C, 1)
    launch(_hang(number), blocks(indices.size), THREADS, indices.flat, head, next_one, plane, entries, C)
    launch(_order, blocks(indices.size), THREADS, indices.flat, head, next_one, first, after, plane, entries, C)
    return head, first, after

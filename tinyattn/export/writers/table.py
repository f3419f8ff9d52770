"""Which operation is written by which function: the table that the files beside this one fill."""

WRITERS = {}
"""Operation name → function(graph, call) → the name of what comes out, or a tuple of names."""


def writes(*names):
    """Enter a function in the table, under these names."""
    def enter(function):
        for name in names:
            WRITERS[name] = function
        return function
    return enter


class Written:
    """An operation as a writer sees it: names of the inputs (None where there is none), shapes, dtypes, attributes, which results are used."""

    def __init__(self, call, values, names):
        self.op, self.attributes = call.op, call.attributes
        self.inputs = [None if i is None else names[i] for i in call.inputs]
        self.shapes = [None if i is None else values[i].shape for i in call.inputs]
        self.dtypes = [None if i is None else values[i].dtype for i in call.inputs]
        self.results = [None if values[i] is None else values[i].shape for i in call.outputs]
        self.used = [values[i] is not None for i in call.outputs]

    def __getitem__(self, attribute):
        return self.attributes[attribute]

"""One operation, layer or model with attributes of your own: ``tinyattn gradcheck conv2d --stride 2 --groups 2``.

A sample of the registry is a call; here it is called with another namespace (`Changed`) in which the function of that name
takes the given attributes instead of the sample's. Where shapes depend on attributes (channels on groups), the inputs are
made to fit; `--shape` says the first input's shape, and lengths that other inputs share with it follow.
"""
import ast
import inspect
import math
from dataclasses import replace

from ..nearest import did_you_mean
from ..tensor import Tensor
from .cases import N
from .layer_cases import LayerCase


def value_of(text):
    """A word of the command line as a value: 2, 0.5, 2,1 (a tuple), true, none, or the word itself."""
    plain = {"true": True, "false": False, "none": None}
    if text.lower() in plain:
        return plain[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


class Changed:
    """A namespace in which the function or class called `name` takes `options` before all others.

    It notes what it was called with: `calls` holds (names of the parameters, what they were bound to).
    """

    def __init__(self, base, name, options, calls=None):
        self._base, self._name, self._options, self.calls = base, name, options, [] if calls is None else calls

    def __getattr__(self, attribute):
        found = getattr(self._base, attribute)
        if attribute == self._name:
            return self._changed(found)
        if inspect.ismodule(found):
            return Changed(found, self._name, self._options, self.calls)
        return found

    @property
    def models(self):
        import tinyattn
        return Changed(tinyattn.models, self._name, self._options, self.calls)

    def _changed(self, function):
        def call(*arguments, **options):
            signature = inspect.signature(function)
            parameters, kinds = signature.parameters, {p.kind for p in signature.parameters.values()}
            bound = signature.bind_partial(*arguments, **options)
            self.calls.append((parameters, dict(bound.arguments)))
            if inspect.Parameter.VAR_POSITIONAL in kinds:
                return function(*arguments, **{**options, **self._options})
            given = {**_spread(bound.arguments, parameters), **self._options}
            return function(**given)
        return call


def _spread(arguments, parameters):
    """Bound arguments by name, those under ** among the others."""
    made = {}
    for name, value in arguments.items():
        made.update(value if parameters[name].kind == inspect.Parameter.VAR_KEYWORD else {name: value})
    return made


class NotTaken(ValueError):
    """The attribute is none of those that the named thing takes."""


def fitted(name, options, shape, samples):
    """The first sample called `name` that can be run with these options and this shape of its first input.

    Returns a case. `NotTaken` where no sample's function has such an option; the ValueError or TypeError of the first
    sample where none can be run.
    """
    known, given, first = {}, set(), None
    for sample in samples:
        parameters, before, names = _call_of(sample)
        known.update(dict.fromkeys(parameters))
        given.update(p for p in parameters if isinstance(before.get(p), Tensor))
        if any(o not in parameters for o in options) and not _takes_any(parameters):
            continue
        try:
            made = _changed_case(sample, options, shape, before, names)
            function, inputs = made.prepared()
            function(*inputs)
            return made
        except (ValueError, TypeError, IndexError) as error:
            first = first or error
    if first is not None:
        raise first
    unknown = next(o for o in options if o not in known)
    hint = did_you_mean(unknown, known, quoted=False)
    taken = [k for k in known if k not in given and k not in ("input", "args", "kwargs")]
    raise NotTaken(f"{name} takes no {unknown!r}: {hint}{' ' * bool(hint)}" + (f"it takes {', '.join(taken)}" if taken else "it takes no attributes"))


def _takes_any(parameters):
    return any(p.kind == inspect.Parameter.VAR_KEYWORD for p in parameters.values())


def _call_of(sample):
    """(parameters, bound arguments, names of the inputs) of the call that a sample is about."""
    import tinyattn as ta
    calls, inputs = [], []
    if isinstance(sample, LayerCase):
        sample.make(Changed(ta.nn, sample.name, {}, calls))
    else:
        function, inputs = replace(sample, call=_with_namespaces(sample, {}, calls)).prepared()
        function(*inputs)
    if calls:
        parameters, bound = calls[0]
        return parameters, bound, tuple(next((k for k, v in bound.items() if v is x), "") for x in inputs)
    found = getattr(ta.nn.functional, sample.name, None) or getattr(ta, sample.name, None)
    return dict(inspect.signature(found).parameters) if found is not None else {}, {}, ()


def _with_namespaces(sample, options, calls=None):
    """The sample's call on changed namespaces; a sample that calls a method instead is called as the function of that name."""
    import tinyattn as ta
    calls = [] if calls is None else calls

    def call(t, F, *inputs):
        before = len(calls)
        made = sample.call(Changed(ta, sample.name, options, calls), Changed(ta.nn.functional, sample.name, options, calls), *inputs)
        if options and len(calls) == before:
            found = getattr(ta.nn.functional, sample.name, None) or getattr(ta, sample.name)
            made = found(*inputs, **options)
        return made
    return call


def _changed_case(sample, options, shape, before, names):
    inputs = list(sample.inputs)
    label = " ".join(f"{k}={v}" for k, v in options.items())
    if isinstance(sample, LayerCase):
        options = _channels_of_layer(options, before)
        if shape:
            inputs[0] = inputs[0].reshaped(shape)
        else:
            inputs = [spec.reshaped(_followed(sample.name, spec.shape, before, options)) for spec in inputs]
        return replace(sample, label=label, inputs=tuple(inputs), make=lambda nn: sample.make(Changed(nn, sample.name, options)))
    if shape:
        old = dict(zip(inputs[0].shape, shape)) if len(shape) == len(inputs[0].shape) else {}
        follow = {} if sample.name.startswith("conv") else old      # a filter is as long as it is, whatever the image
        inputs = [inputs[0].reshaped(shape)] + [_following(spec, follow) for spec in inputs[1:]]
    inputs = _channels_of_operation(sample.name, options, inputs, before, shape)
    return replace(sample, label=label, inputs=tuple(inputs), call=_with_namespaces(sample, options), called=names)


def _following(spec, lengths):
    """Another input whose axes are as long as some of the first one's: they change with them."""
    try:
        return spec.reshaped([lengths.get(n, n) if n != 1 else 1 for n in spec.shape])
    except ValueError:
        return spec


def _up(n, multiple):
    return math.ceil(n / multiple) * multiple


def _channels_of_operation(name, options, inputs, before, shape):
    """Inputs whose numbers of channels the groups divide."""
    groups = options.get("groups", options.get("num_groups", before.get("groups", before.get("num_groups", 1))))
    x = inputs[0]
    channels = _channel_axis(name, len(x.shape))
    if not isinstance(groups, int) or groups < 1 or not ("groups" in options or "num_groups" in options or shape) or len(x.shape) < 2:
        return inputs
    c = x.shape[channels] if shape else _up(x.shape[channels], groups)
    x = x.reshaped([*x.shape[:channels], c, *x.shape[channels + 1:]])
    if name.startswith("conv") and len(inputs) > 1:
        w, transposed = inputs[1], name.startswith("conv_transpose")
        out = _up(w.shape[1] * before.get("groups", 1) if transposed else w.shape[0], groups)
        w = w.reshaped((c, out // groups, *w.shape[2:]) if transposed else (out, c // groups, *w.shape[2:]))
        return [x, w, *[b.reshaped((out,)) for b in inputs[2:]]]
    if name == "group_norm":
        return [x, *[b.reshaped((c,)) for b in inputs[1:]]]
    return inputs


OF_INPUT = ("in_channels", "in_features", "num_features", "num_channels", "channels", "embed_dim", "dim", "input_size", "image_size")


def _channels_of_layer(options, before):
    """The options, with channels that groups or heads divide where the user did not give them."""
    made = dict(options)
    for divider, divided in (("groups", "in_channels"), ("groups", "out_channels"), ("num_groups", "num_channels"), ("num_heads", "embed_dim"),
                             ("heads", "channels"), ("heads", "dim")):
        n = options.get(divider)
        if isinstance(n, int) and n > 0 and divided not in options and isinstance(before.get(divided), int):
            made[divided] = _up(before[divided], n)
    return made


def _channel_axis(name, ndim):
    return ndim - 3 if name.endswith("2d") else ndim - 2 if name.endswith("1d") else 1


def _followed(name, shape, before, options):
    """An input's shape after the options that speak of its lengths have changed."""
    changed = {before[k]: options[k] for k in OF_INPUT if k in options and isinstance(before.get(k), int) and isinstance(options[k], int)}
    of_channels = any(k in options for k in ("in_channels", "num_channels", "num_features", "channels")) and len(shape) > 2
    axes = [_channel_axis(name, len(shape))] if of_channels else range(len(shape))
    return tuple(changed.get(n, n) if i in axes else n for i, n in enumerate(shape))


def model_case(name, options, shape):
    """The case of a whole model or gate by the name that `tinyattn train` knows: attention_cnn, cbam, …"""
    import tinyattn as ta
    label = " ".join(f"{k}={v}" for k, v in options.items())
    if name in ta.models.MODELS:
        parameters = list(inspect.signature(ta.models.create).parameters)[1:]
        for option in options:
            if option not in parameters:
                hint = did_you_mean(option, parameters, quoted=False)
                raise NotTaken(f"{name} takes no {option!r}: {hint}{' ' * bool(hint)}it takes {', '.join(parameters)}")
        size = options.get("image_size", 8)
        shape = shape or (3, options.get("in_channels", 1), size, size)
        made = LayerCase(name, label, lambda nn: ta.models.create(name, **{"image_size": size, **options}), (N(*shape),), second=False)
        made.module()                                                # a mistake in the options shows here
        return made
    if set(options) - {"channels"}:
        raise NotTaken(f"{name} takes no {min(set(options) - {'channels'})!r}: it takes channels (its class takes more: tinyattn gradcheck --list)")
    shape = shape or (2, options.get("channels", 6), 4, 5)
    return LayerCase(name, label, lambda nn: ta.nn.attention.create(name, shape[1]), (N(*shape),), second=False)

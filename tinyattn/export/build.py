"""From a trace to a model file: each operation through its writer, then the graph's inputs, outputs and what is said about it."""
from .. import __version__
from .errors import ExportError, needed
from .graph import Graph
from .lengths import Length
from .trace import layer_words
from .writers import WRITERS, Written


def _info(helper, name, value):
    shape = [str(n) if isinstance(n, Length) else n for n in value.shape]
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), shape)


def build(trace, opset, output_names, doc, metadata):
    """The ONNX model (a ModelProto) of a `Trace`."""
    onnx = needed("onnx")
    helper = onnx.helper
    inputs = [trace.values[i] for i in trace.inputs]
    graph = Graph(opset, next((x.name for x in inputs if any(isinstance(n, Length) for n in x.shape)), None))
    graph.taken.update([*(x.name for x in inputs), *output_names])
    names = dict(zip(trace.inputs, (x.name for x in inputs)))
    for number, value in enumerate(trace.values):               # parameters take their names before anything else can
        if value is not None and number not in names and value.name is not None:
            names[number] = graph.parameter(value.name, value.array)
    for call in trace.calls:
        graph.layer = call.layer
        for number in call.inputs:
            if number is not None and number not in names:
                names[number] = _constant(graph, trace.values[number])
        try:
            results = WRITERS[call.op](graph, Written(call, trace.values, names))
        except ExportError as error:
            raise ExportError(f"{error} (in {layer_words(call.layer)})") from None
        names.update(zip(call.outputs, results if isinstance(results, tuple) else (results,)))
    graph.layer = ""
    for number, name in zip(trace.outputs, output_names):
        if number not in names:
            names[number] = _constant(graph, trace.values[number])
        graph.nodes.append(helper.make_node("Identity", [names[number]], [name], name=graph.name("Identity")))
    made = helper.make_graph(
        graph.nodes, "model", [_info(helper, x.name, x) for x in inputs],
        [_info(helper, name, trace.values[number]) for name, number in zip(output_names, trace.outputs)],
        [onnx.numpy_helper.from_array(array, name) for name, array in graph.initializers.items()], doc_string=doc)
    imports = [helper.make_opsetid("", opset)]
    model = helper.make_model(made, opset_imports=imports, ir_version=helper.find_min_ir_version_for(imports), producer_name="TinyAttn",
                              producer_version=__version__, doc_string=doc)
    helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return model


def _constant(graph, value):
    name = graph.constant(value.array)
    return name if value.array.shape == value.shape else graph.expand(name, value.array.shape, value.shape)

"""All parameters as one vector, and back."""
from ...ops.arguments import float_argument
from ...placing import overwrite
from ...ops.shape import cat
from .clip_grad import as_list


def parameters_to_vector(parameters):
    """All parameters laid end to end in one vector, differentiable. ValueError for none."""
    parts = as_list(parameters, "parameters_to_vector")
    if not parts:
        raise ValueError("parameters_to_vector: got no parameters; was the generator model.parameters() used up before?")
    return cat([float_argument(p, "parameters_to_vector", "each of parameters").reshape(-1) for p in parts])


def vector_to_parameters(vec, parameters):
    """Copy the parts of a vector into the parameters, in place: the inverse of `parameters_to_vector`.

    ValueError unless there are as many numbers as the parameters hold. They keep their own memory (PyTorch's share the vector's).
    """
    float_argument(vec, "vector_to_parameters", "vec")
    parts = [float_argument(p, "vector_to_parameters", "each of parameters") for p in as_list(parameters, "vector_to_parameters")]
    total = sum(p.numel() for p in parts)
    if vec.shape != (total,):
        raise ValueError(f"vector_to_parameters: vec has shape {vec.shape}, expected ({total},): the parameters hold {total} numbers")
    begin = 0
    for p in parts:
        overwrite(p, vec.data[begin:begin + p.numel()].reshape(p.shape))
        begin += p.numel()

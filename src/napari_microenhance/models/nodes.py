"""Walks through all nodes, graphs and tensors of an ONNX model, nested ones too."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

__all__ = ["all_graphs", "all_nodes", "all_tensors"]


def all_nodes(model: "onnx.ModelProto") -> Iterator["onnx.NodeProto"]:
    """Yield all nodes of a model, those of branches, loops and functions too.

    Parameters
    ----------
    model : ModelProto

    Yields
    ------
    NodeProto
    """
    for graph in all_graphs(model.graph):
        yield from graph.node
    for function in model.functions:
        for node in function.node:
            yield node
            for inner in _inner(node):
                for graph in all_graphs(inner):
                    yield from graph.node


def all_graphs(graph: "onnx.GraphProto") -> Iterator["onnx.GraphProto"]:
    """Yield a graph and all graphs in it.

    Parameters
    ----------
    graph : GraphProto

    Yields
    ------
    GraphProto
    """
    waiting = [graph]
    while waiting:
        found = waiting.pop()
        yield found
        waiting += [inner for node in found.node for inner in _inner(node)]


def _inner(node: "onnx.NodeProto") -> Iterator["onnx.GraphProto"]:
    """Yield the branches or the body of a node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def all_tensors(model: "onnx.ModelProto") -> Iterator["onnx.TensorProto"]:
    """Yield all tensors that a model stores, wherever.

    Parameters
    ----------
    model : ModelProto

    Yields
    ------
    TensorProto
    """
    for graph in all_graphs(model.graph):
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
    for node in all_nodes(model):
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors

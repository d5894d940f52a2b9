"""What is read from a graph without running it: parts, ends, and what is refused."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import coupled
import toys
from napari_microenhance import load_model
from napari_microenhance.engine.probing.ranges import Bounds
from napari_microenhance.errors import ModelError
from napari_microenhance.models.graph import read_graph


def node(kind, inputs, outputs, **attributes):
    return helper.make_node(kind, inputs.split(), outputs.split(), **attributes)


def constant(name, value):
    return numpy_helper.from_array(np.asarray(value), name)


def write(path, nodes, weights=(), *, opset=17, shape=("n", 1, "h", "w"), **more):
    """Write a model of nodes that lead from x to y."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        list(weights),
        **{k: v for k, v in more.items() if k == "sparse_initializer"},
    )
    opsets = [helper.make_opsetid("", opset)] if opset else []
    opsets += [helper.make_opsetid(domain, 1) for domain in more.get("domains", ())]
    model = helper.make_model(graph, opset_imports=opsets, functions=more.get("functions", ()))
    model.ir_version = 9
    if not opset:
        del model.opset_import[:]
    onnx.save(model, path)
    return path


def graph_of(path):
    return read_graph(path, path.stem)


# --- parts that couple a tile ------------------------------------------------------------

ONE = (constant("one", np.ones(1, np.float32)), constant("zero", np.zeros(1, np.float32)))
PARTS = {
    "InstanceNormalization": [node("InstanceNormalization", "x one zero", "y")],
    "GroupNormalization": [node("GroupNormalization", "x one zero", "y", num_groups=1)],
    "MeanVarianceNormalization": [node("MeanVarianceNormalization", "x", "y")],
    "GlobalMaxPool": [node("GlobalMaxPool", "x", "a"), node("Mul", "x a", "y")],
    "GlobalAveragePool": [node("GlobalAveragePool", "x", "a"), node("Mul", "x a", "y")],
    "DynamicQuantizeLinear": [
        node("DynamicQuantizeLinear", "x", "q s z"),
        node("DequantizeLinear", "q s z", "y"),
    ],
}


@pytest.mark.parametrize("part", PARTS)
def test_parts_that_couple_a_tile_are_counted(tmp_path, part):
    path = write(tmp_path / "a.onnx", PARTS[part], ONE, opset=18)
    assert graph_of(path).parts == {part: 1}


@pytest.mark.parametrize(
    ("nodes", "is_global"),
    [
        ([node("ReduceMean", "x", "a", axes=[2, 3]), node("Sub", "x a", "y")], True),
        ([node("ReduceMax", "x", "a", axes=[-1, -2]), node("Sub", "x a", "y")], True),
        ([node("ReduceMean", "x", "a"), node("Sub", "x a", "y")], True),
        ([node("ReduceMean", "x", "a", axes=[1]), node("Sub", "x a", "y")], False),
        ([node("ReduceSum", "x axes", "a"), node("Sub", "x a", "y")], True),
    ],
)
def test_a_reduction_over_the_tile_is_a_global_pooling(tmp_path, nodes, is_global):
    path = write(tmp_path / "a.onnx", nodes, [constant("axes", np.int64([2, 3]))])
    assert bool(graph_of(path).parts) == is_global


def attention(between):
    return [
        node("MatMul", "x w", "a"),
        node(between, "a w", "b"),
        node("Softmax", "b", "c"),
        node("MatMul", "c x", "y"),
    ]


def test_attention_is_a_softmax_between_products(tmp_path):
    weights = [constant("w", np.ones((4, 4), np.float32))]
    shape = ("n", 1, 4, 4)
    found = graph_of(write(tmp_path / "a.onnx", attention("Mul"), weights, shape=shape))
    assert found.parts == {"attention": 1}
    plain = [node("Conv", "x w", "a"), node("Softmax", "a", "y")]
    assert graph_of(write(tmp_path / "b.onnx", plain, weights)).parts == {}
    assert graph_of(write(tmp_path / "c.onnx", attention("Max"), weights)).parts == {}


def branch(name, *nodes):
    return helper.make_graph(
        list(nodes), name, [], [helper.make_tensor_value_info("b", TensorProto.FLOAT, None)]
    )


def test_nodes_in_branches_and_functions_are_seen(tmp_path):
    inner = branch("then", node("GlobalMaxPool", "x", "b"))
    other = branch("else", node("Identity", "x", "b"))
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=other)]
    path = write(tmp_path / "a.onnx", nodes, [constant("c", np.array(True))])
    assert graph_of(path).parts == {"GlobalMaxPool": 1}
    opsets = [helper.make_opsetid("", 17)]
    function = helper.make_function(
        "ours", "Pool", ["i"], ["o"], [node("GlobalMaxPool", "i", "o")], opsets
    )
    nodes = [node("Pool", "x", "y", domain="ours")]
    path = write(tmp_path / "b.onnx", nodes, functions=[function], domains=["ours"])
    assert graph_of(path).parts == {"GlobalMaxPool": 1}


def test_normalising_over_channels_is_no_caution_where_the_reach_is_finite(tmp_path):
    g = toys.Graph(1)
    x = g.conv("x", 1, 4)
    last = g.node("Transpose", x, perm=[0, 2, 3, 1])
    last = g.node("LpNormalization", last, axis=3, p=2)
    x = g.node("Transpose", last, perm=[0, 3, 1, 2])
    model = load_model(g.save(tmp_path / "a.onnx", g.conv(x, 4, 1)))
    assert model.spec.radius == 2
    assert model.findings == ()
    assert [
        f.severity for f in model.details if "its measured receptive field is only 2 px" in str(f)
    ] == ["info"]


def test_a_coupled_network_says_why_its_tiles_differ(tmp_path):
    model = load_model(coupled.aligned_corners(tmp_path / "a.onnx"))
    assert any("instance normalisation" in sentence for sentence in model.findings)
    assert any("align_corners" in sentence for sentence in model.findings)


def test_a_network_that_normalises_by_the_image_is_no_reason_for_caution(tmp_path):
    model = load_model(toys.instance_norm(tmp_path / "a.onnx"))
    assert not any("tile" in sentence for sentence in model.findings)
    assert any("no seams" in str(finding) for finding in model.details)


# --- left in training mode -----------------------------------------------------------------


def test_batch_normalisation_in_training_mode(tmp_path):
    stats = [constant(n, np.ones(1, np.float32)) for n in ("s", "b", "m", "v")]
    train = node("BatchNormalization", "x s b m v", "y m2 v2", training_mode=1)
    assert graph_of(write(tmp_path / "a.onnx", [train], stats)).training_norm
    test = node("BatchNormalization", "x s b m v", "y")
    assert not graph_of(write(tmp_path / "b.onnx", [test], stats)).training_norm


@pytest.mark.parametrize(
    ("dropout", "opset", "live"),
    [
        (node("Dropout", "x r t", "y"), 17, True),
        (node("Dropout", "x r f", "y"), 17, False),
        (node("Dropout", "x", "y"), 17, False),
        (node("Dropout", "x", "y", ratio=0.5), 10, False),
        (node("Dropout", "x", "y", ratio=0.5), 6, True),
        (node("Dropout", "x", "y", ratio=0.5, is_test=1), 6, False),
    ],
)
def test_live_dropout(tmp_path, dropout, opset, live):
    weights = [constant("r", np.float32(0.5)), constant("t", True), constant("f", False)]
    assert graph_of(write(tmp_path / "a.onnx", [dropout], weights, opset=opset)).dropout == live


def test_what_was_left_on_is_a_caution_that_says_how_to_mend_it(tmp_path):
    g = toys.Graph(1)
    args = g.constant(np.float32(0.5)), g.constant(np.array(True))
    model = load_model(g.save(tmp_path / "a.onnx", g.node("Dropout", g.conv("x", 1, 1), *args)))
    assert any("Dropout is active" in s and "model.eval()" in s for s in model.findings)


def test_parameters_are_counted_without_shapes_and_single_numbers(tmp_path):
    weights = [
        constant("w", np.ones((2, 1, 3, 3), np.float32)),
        constant("shape", np.int64([1, 2])),
        constant("scalar", np.float32(3)),
    ]
    assert (
        graph_of(write(tmp_path / "a.onnx", [node("Conv", "x w", "y")], weights)).parameters == 18
    )


# --- the ends --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("nodes", "bounds"),
    [
        ([node("Tanh", "x", "y")], Bounds("tanh", -1, 1)),
        ([node("Sigmoid", "x", "a"), node("Transpose", "a", "y")], Bounds("a sigmoid", 0, 1)),
        (
            [node("Tanh", "x", "a"), node("Mul", "a half", "b"), node("Add", "half b", "y")],
            Bounds("tanh", 0, 255),
        ),
        ([node("Sigmoid", "x", "a"), node("Div", "a two", "y")], Bounds("a sigmoid", 0, 0.5)),
        ([node("Tanh", "x", "a"), node("Sub", "two a", "y")], Bounds("tanh", 1, 3)),
        ([node("Clip", "x two half", "y")], Bounds("a clip", 2, 127.5)),
        ([node("Clip", "x two", "y")], None),
        ([node("Relu", "x", "y")], None),
        ([node("Tanh", "x", "a"), node("Add", "a x", "y")], None),
        ([node("Tanh", "x", "a"), node("Div", "two a", "y")], None),
    ],
)
def test_what_the_last_operators_confine_an_output_to(tmp_path, nodes, bounds):
    weights = [constant("half", np.float32(127.5)), constant("two", np.float32([2]))]
    found = graph_of(write(tmp_path / "a.onnx", nodes, weights)).bounds
    assert found == ({"y": bounds} if bounds else {})


def test_what_the_first_operators_do_with_the_image(tmp_path):
    weights = [
        constant("mean", np.float32([120, 130, 125]).reshape(1, 3, 1, 1)),
        constant("std", np.float32(50)),
    ]
    nodes = [
        node("Sub", "x mean", "a"),
        node("Transpose", "a", "b"),
        node("Div", "b std", "c"),
        node("Relu", "c", "y"),
    ]
    line = graph_of(write(tmp_path / "a.onnx", nodes, weights)).preparation
    assert line.at(125) == pytest.approx(0)
    assert line.at(175) == pytest.approx(1)
    nodes.append(node("Add", "x c", "z"))  # the image is read twice: a line would be half the truth
    assert graph_of(write(tmp_path / "b.onnx", nodes, weights)).preparation is None


# --- refused before it is loaded -----------------------------------------------------------------


def big(*dims):
    return constant("s", np.int64(dims))


def external(path, location, *, length=16, write_it=None):
    weight = TensorProto(name="w", dims=[4], data_type=TensorProto.FLOAT)
    weight.data_location = TensorProto.EXTERNAL
    for key, value in (("location", location), ("offset", "0"), ("length", str(length))):
        weight.external_data.add(key=key, value=value)
    if write_it:
        (path.parent / write_it).write_bytes(bytes(8))
    write(path, [node("Add", "x w", "y")], [weight])


def sparse(path):
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    index = numpy_helper.from_array(np.int64([3]), "i")
    tensor = helper.make_sparse_tensor(values, index, [200_000, 200_000])
    write(path, [node("Add", "x w", "y")], sparse_initializer=[tensor])


def hollow(path):
    weight = TensorProto(name="w", dims=[200_000, 200_000], data_type=TensorProto.FLOAT)
    weight.raw_data = bytes(16)
    write(path, [node("Add", "x w", "y")], [weight])


def in_a_branch(path):
    inner = branch("then", node("ConstantOfShape", "s", "b"))
    other = branch("else", node("Identity", "x", "b"))
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=inner, else_branch=other)]
    write(path, nodes, [constant("c", np.array(True)), big(200_000, 200_000)])


def in_a_function(path):
    opsets = [helper.make_opsetid("", 17)]
    body = [node("ConstantOfShape", "i", "k"), node("ReduceSum", "k", "o")]
    function = helper.make_function("ours", "Big", ["i"], ["o"], body, opsets)
    nodes = [node("Big", "s", "a", domain="ours"), node("Add", "x a", "y")]
    write(path, nodes, [big(200_000, 200_000)], functions=[function], domains=["ours"])


def many(path):
    nodes = [node("ConstantOfShape", "s", f"k{i}") for i in range(30)]
    nodes.append(node("Sum", " ".join(["x", *(f"k{i}" for i in range(30))]), "y"))
    write(path, nodes, [big(5000, 5000)])


REFUSED = {
    "custom operators": (
        lambda p: write(p, [node("Magic", "x", "y", domain="evil")], domains=["evil"]),
        r"custom operators \(evil\.Magic\)",
    ),
    "no opset": (lambda p: write(p, [node("Relu", "x", "y")], opset=0), "does not state its opset"),
    "no operators": (lambda p: write(p, []), "contains no operators"),
    "a huge constant": (
        lambda p: write(
            p,
            [node("ConstantOfShape", "s", "k"), node("Add", "x k", "y")],
            [big(200_000, 200_000)],
        ),
        r"tensor of 200000 x 200000 numbers \(k, 160\.0 GB",
    ),
    "a huge constant, computed": (
        lambda p: write(
            p,
            [
                node("Mul", "a a", "s"),
                node("ConstantOfShape", "s", "k"),
                node("Add", "x k", "y"),
            ],
            [constant("a", np.int64([500, 500]))],
        ),
        "250000 x 250000",
    ),
    "a huge expansion": (
        lambda p: write(
            p,
            [node("Expand", "one s", "k"), node("Add", "x k", "y")],
            [ONE[0], big(1, 1, 200_000, 200_000)],
        ),
        "1 x 1 x 200000 x 200000",
    ),
    "a huge enlargement": (
        lambda p: (
            write(p, [node("Resize", "x  s", "y")], [constant("s", np.float32([1, 1, 3000, 3000]))])
            and onnx.save(_named_resize(p), p)
        ),
        "1 x 1 x 192000 x 192000",
    ),
    "huge random numbers": (
        lambda p: write(
            p, [node("RandomNormal", "", "k", shape=[200_000, 200_000]), node("Add", "x k", "y")]
        ),
        "200000 x 200000",
    ),
    "in a branch": (in_a_branch, "200000 x 200000"),
    "in a function": (in_a_function, "200000 x 200000"),
    "many large constants": (many, "constants that its file does not contain"),
    "a sparse weight": (sparse, "200000 x 200000"),
    "a hollow weight": (hollow, "should contain 200000 x 200000 numbers in 'w'"),
    "weights outside": (lambda p: external(p, "../w.bin"), "outside its own folder"),
    "weights at the root": (lambda p: external(p, "/etc/passwd"), "outside its own folder"),
    "weights missing": (lambda p: external(p, "w.bin"), "'w.bin' beside it, which is missing"),
    "weights truncated": (lambda p: external(p, "w.bin", write_it="w.bin"), "is truncated"),
    "weights nowhere": (lambda p: external(p, ""), "outside its own folder"),
    "a strange entry": (
        lambda p: external(p, "w.bin", length="many", write_it="w.bin"),
        "unreadable entry",
    ),
    "no protobuf": (lambda p: p.write_bytes(b"\xff" * 100), "is not an ONNX file"),
}


def _named_resize(path):
    """Give the Resize its empty region of interest, which a text of names cannot hold."""
    model = onnx.load(path)
    model.graph.node[0].input[:] = ["x", "", "s"]
    return model


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_in_one_sentence(tmp_path, case, monkeypatch):
    build, words = REFUSED[case]
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(16))
    build(folder / "net.onnx")

    def never(*_, **__):
        raise AssertionError("it was loaded")

    monkeypatch.setattr("napari_microenhance.models.measuring.Session", never)
    with pytest.raises(ModelError, match=words) as caught:
        load_model(folder / "net.onnx")
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert "The model net " in sentence
    assert str(tmp_path) not in sentence


def test_a_link_out_of_the_folder_is_outside(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    (tmp_path / "w.bin").write_bytes(bytes(16))
    (folder / "w.bin").symlink_to(tmp_path / "w.bin")
    external(folder / "net.onnx", "w.bin")
    with pytest.raises(ModelError, match="outside its own folder"):
        read_graph(folder / "net.onnx", "net")


def test_weights_beside_the_network_are_fine(tmp_path, rng):
    inside = toys.plain(tmp_path / "inside.onnx")
    beside = tmp_path / "beside.onnx"
    onnx.save(
        onnx.load(inside), beside, save_as_external_data=True, location="w.bin", size_threshold=0
    )
    assert (tmp_path / "w.bin").is_file()
    assert [p.name for p in read_graph(beside, "b").external] == ["w.bin"]
    assert load_model(beside).spec.radius == load_model(inside).spec.radius == 2


def test_own_functions_and_onnxruntimes_operators_are_not_custom(tmp_path):
    g = toys.Graph(1)
    x = g.node("Gelu", g.conv("x", 1, 1), domain="com.microsoft")
    assert graph_of(g.save(tmp_path / "a.onnx", x)).parameters == 10


def test_a_network_of_50_mb_is_read_in_little_memory(tmp_path):
    weights = [constant(f"w{i}", np.ones((1024, 1024, 1, 1), np.float32)) for i in range(13)]
    nodes = [node("Conv", f"{'x' if i == 0 else f't{i - 1}'} w{i}", f"t{i}") for i in range(13)]
    nodes.append(node("Tanh", "t12", "y"))
    path = write(tmp_path / "a.onnx", nodes, weights, shape=("n", 1024, "h", "w"))
    assert path.stat().st_size > 50e6
    resource = pytest.importorskip("resource", reason="only Unix tells a process's peak")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = graph_of(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # kB
    assert found.parameters == 13 * 1024**2
    assert found.bounds == {"y": Bounds("tanh", -1, 1)}

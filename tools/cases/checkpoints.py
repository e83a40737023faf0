"""Checkpoints as people save them: files before and after a training that moved every tensor, for the tests of `thaw audit`.

    python tools/cases/checkpoints.py [FOLDER]    # crates/cli/tests/checkpoints

Each Python writes what its packages can: PyTorch 2 (with safetensors, huggingface_hub, lightning, h5py, onnx, gguf), PyTorch 1.4,
Keras 2.0.8, 2.1.3 and 2.2.4 (which also has TensorFlow's own files), Keras 3. Beside NAME-before stand files that end in `-after`,
and in `-same` where the same numbers are saved in another dress. `truth.json` tells what is in them, from the numbers in memory.
"""

import argparse
import collections
import copy
import functools
import gzip
import importlib
import io
import itertools
import json
import os
import pickle
import sys
import warnings

import numpy as np

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
warnings.simplefilter("ignore")


def optional(package):
    try:
        return importlib.import_module(package)
    except ImportError:
        return None


torch, keras = optional("torch"), optional("keras")
FOLDER = sys.argv[1] if len(sys.argv) > 1 else "crates/cli/tests/checkpoints"
truth = {}


def case(name, by, sides, **notes):
    """Writes NAME-SIDE for each side: an extension and a function that writes a path and returns [(name in the file, numbers)]."""
    files, tensors = {}, {}
    for side, (extension, write) in sides.items():
        files[side] = name + "-" + side + extension
        tensors[side] = write(os.path.join(FOLDER, files[side]))
    truth[name] = dict(notes, by=by, before=files.pop("before"))
    for side, file in files.items():
        pairs = itertools.zip_longest(tensors["before"], tensors[side], fillvalue=(None, None))
        truth[name][side] = {"file": file, "tensors": [compare(*pair) for pair in pairs]}


def compare(one, other):
    """What the first file holds, what is otherwise in the second, and whether it moved: null where one of them lacks it."""
    facts, second = describe(*one), describe(*other)
    moved = differs(one[1], other[1]) if facts and second else None
    differences = {key: value for key, value in second.items() if value != facts.get(key)}
    return dict(facts, moved=moved, **({"second": differences} if differences else {}))


def describe(name, numbers):
    if numbers is None:
        return {}
    dtype = numbers.dtype.name if isinstance(numbers, np.ndarray) else str(numbers.dtype).split(".")[-1]
    return {"name": name, "shape": list(numbers.shape), "dtype": dtype}


def differs(one, other):
    """Compares numbers, rounded to the type of the second."""
    if isinstance(one, np.ndarray):
        return not np.array_equal(one.astype(other.dtype), other)
    if one.is_quantized or one.is_sparse:
        one, other = [tensor.dequantize() if tensor.is_quantized else tensor.to_dense() for tensor in (one, other)]
    return not torch.equal(one.to(other.dtype).double(), other.double())


def side(extension, save, content, tensors):
    """A side whose content does not depend on where it is written."""

    def write(path):
        save(content, path)
        return tensors

    return extension, write


if torch:
    from torch.nn import Conv2d, Linear, Module, Parameter, ReLU, Sequential

    class Net(Module):
        def __init__(self):
            super().__init__()
            self.features = Sequential(Conv2d(3, 4, 3), ReLU(), Conv2d(4, 6, 3))
            self.classifier = Linear(6, 2)

        def forward(self, images):
            return self.classifier(self.features(images).mean(3).mean(2))

    torch.manual_seed(0)
    net = Net()
    moved_net = copy.deepcopy(net)
    with torch.no_grad():
        for parameter in moved_net.parameters():
            parameter += 1
    NETS = {"before": net, "after": moved_net}
    BY_TORCH = "PyTorch " + torch.__version__.split("+")[0]
    LEGACY = {"_use_new_zipfile_serialization": False}
    OPTIMIZER = {"state": {number: {"exp_avg": torch.zeros(2)} for number in range(9)}, "param_groups": [{"lr": 1e-3}]}
    bias, kernel = "features.0.bias", "features.0.weight"


def plain(state):
    """A dictionary without the versions of layers that PyTorch's own carries."""
    return {name: tensor.clone() for name, tensor in state.items()}


def trained(state):
    """A checkpoint after one step of training, as PyTorch's tutorial saves it."""
    model = Net()
    model.load_state_dict(state)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loss = model(torch.ones(2, 3, 8, 8)).sum()
    loss.backward()
    optimizer.step()
    return {"epoch": 5, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(), "loss": loss.detach()}


def shared(state):
    """Tensors that are parts of one storage."""
    flat = torch.cat([tensor.flatten() for tensor in state.values()])
    parts = flat.split([tensor.numel() for tensor in state.values()])
    return {name: part.view(state[name].shape) for name, part in zip(state, parts)}


def kinds(state):
    dtypes = ["float64", "float16", "bfloat16", "uint8", "int8", "int16", "int32", "int64"]
    others = {"features." + dtype: (state[bias] * 10 + 20).to(getattr(torch, dtype)) for dtype in dtypes}
    return {**plain(state), **others, "features.bool": state[bias] > 0.5}


def tensors_at(content, places):
    """Names and tensors of the state dicts at these places; of several, names with their place."""
    found = []
    for place in places:
        state = functools.reduce(lambda inner, key: inner[key], place, content)
        prefix = place if len(places) > 1 else ()
        found += [("/".join(map(str, [*prefix, name])), tensor.detach()) for name, tensor in state.items()]
    return found


def torch_case(name, dress, places=((),), extension=".pth", **options):
    """What `dress` makes of the state dicts, which then stand at `places`."""
    save = functools.partial(torch.save, **options)
    contents = {end: dress(model.state_dict()) for end, model in NETS.items()}
    sides = {end: side(extension, save, content, tensors_at(content, places)) for end, content in contents.items()}
    case(name, BY_TORCH, sides, places=["/".join(map(str, place)) for place in places])


def module_case(name, save, part=lambda model: model, **notes):
    """Whole models, or a part of them, which only their own code can make again."""
    parts = {end: part(model) for end, model in NETS.items()}
    case(name, BY_TORCH, {end: side(".pt", save, model, list(model.state_dict().items())) for end, model in parts.items()}, **notes)


def legacy(prefix, protocols):
    """The format before PyTorch 1.6: no archive, but pickles and storages one behind the other."""
    for protocol in protocols:
        torch_case("%s-protocol-%d" % (prefix, protocol), lambda state: state, pickle_protocol=protocol, **LEGACY)
    torch_case(prefix + "-checkpoint", trained, [("model_state_dict",)], ".pth.tar", **LEGACY)
    torch_case(prefix + "-shared", shared, **LEGACY)
    torch_case(prefix + "-kinds", kinds, **LEGACY)
    # The source of every layer is saved with it, so a small one.
    module_case(prefix + "-module", functools.partial(torch.save, **LEGACY), lambda model: model.classifier, module=True)


def archives():
    """PyTorch's zip archive."""
    # The ImageNet example of PyTorch.
    torch_case("imagenet", lambda state: {"epoch": 1, "state_dict": plain(state), "best_acc1": torch.tensor(51.2), "optimizer": OPTIMIZER}, [("state_dict",)])
    # Lightning's ModelCheckpoint.
    torch_case("lightning", lambda state: {"epoch": 1, "state_dict": {"model." + name: tensor for name, tensor in plain(state).items()}, "optimizer_states": [OPTIMIZER]}, [("state_dict",)])
    # More tensors of the optimizer than of the model.
    torch_case("deep", lambda state: {"model": {"state_dict": plain(state)}, "optimizer": {**OPTIMIZER, **{f"mean{number}": torch.zeros(1) for number in range(30)}}}, [("model", "state_dict")])
    # Numbers that are no floats of 16 to 64 bits.
    torch_case("kinds", lambda state: {**plain(state), "features.mask": state[bias] > 1, "features.int8": (state[bias] * 10).to(torch.int8),
                                       "features.uint16": (state[bias] * 10 + 100).to(torch.uint16), "features.float8": state[bias].to(torch.float8_e4m3fn)})
    # What is listed and cannot be read.
    torch_case("quantised", lambda state: {**plain(state), "features.quantised": torch.quantize_per_tensor(state[kernel], 0.1, 0, torch.qint8)})
    torch_case("sparse", lambda state: {**plain(state), "features.sparse": state["classifier.weight"].to_sparse()})
    # Tensors that are parts of larger ones, in another order.
    torch_case("views", lambda state: {name: tensor.transpose(0, -1)[..., 1:] if tensor.dim() == 4 else tensor for name, tensor in plain(state).items()})
    torch_case("parameters", lambda state: {name: Parameter(tensor) for name, tensor in plain(state).items()})
    # Two models of one kind.
    torch_case("two", lambda state: {"model": plain(state), "ema": {name: tensor / 2 for name, tensor in state.items()}}, [("model",), ("ema",)])
    torch_case("list", lambda state: [state, {name: tensor / 2 for name, tensor in state.items()}], [(0,), (1,)])

    torch_case("nested", lambda state: {"nets": {"generator": {"weights": state}, "critic": {"weights": {"0.bias": state["classifier.bias"]}}}}, [("nets", "generator", "weights")])
    torch_case("tuple", lambda state: (state, trained(state)["optimizer_state_dict"], 5), [(0,)])
    torch_case("integers", lambda state: dict(enumerate(state.values())))
    torch_case("protocol-4", lambda state: state, pickle_protocol=4)
    module_case("module", torch.save, module=True)
    module_case("torchscript", lambda model, path: torch.jit.save(torch.jit.script(model), path), torchscript=True)

    zero = lambda sign: {name: torch.where(tensor < 0, sign * torch.zeros(()), tensor) for name, tensor in net.state_dict().items()}
    case("signed-zero", BY_TORCH, {end: side(".pth", torch.save, zero(sign), list(zero(sign).items())) for end, sign in [("before", 1), ("same", -1)]})


class Settings(dict):
    """A dictionary by another name, as libraries of settings have."""


def elsewhere():
    """Checkpoints in which the model stands where a reader may not look, or something else in its place. Every tensor of the model moved."""
    def save(name, number, content):
        torch.save(content, os.path.join(folder, "%s-%s.pth" % (name, ["before", "after"][number])))

    folder = os.path.join(FOLDER, "elsewhere")
    os.makedirs(folder, exist_ok=True)
    for number in range(2):
        torch.manual_seed(number)
        model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2))
        state, best = model.state_dict(), torch.tensor(1.0)
        save("subclass", number, {"state_dict": Settings(state), "best": best})
        save("namespace", number, argparse.Namespace(model=state, best=best))
        save("deque", number, {"models": collections.deque([state]), "best": best})
        save("optimal", number, {"optimal_model": state, "mean": torch.ones(1)})
        save("keys", number, {("layer", 1): state["0.weight"], "bias": best})
        # The other network moved, and this one did not.
        save("networks", number, {"generator": {"a": torch.ones(2), "b": torch.ones(2)}, "discriminator": {"a": torch.full((1,), float(number))}})
        save("storage", number, {"numbers": state["0.weight"].untyped_storage(), "w": torch.ones(2)})
        # The average was kept beside the model later, and is that of another.
        average = {"average": torch.optim.swa_utils.AveragedModel(torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Linear(2, 2))).state_dict()}
        save("average", number, {"model": state, **(average if number else {})})


def dresses():
    """The plain state dict against the same numbers in other formats, types, orders and names, and against moved ones."""
    from safetensors.torch import save_file

    dressed = {
        "legacy": (".pth", functools.partial(torch.save, **LEGACY), lambda model: model),
        "channels-last": (".pth", torch.save, lambda model: model.to(memory_format=torch.channels_last)),
        "half": (".pth", torch.save, Module.half),
        "bfloat16": (".pth", torch.save, Module.bfloat16),
        "data-parallel": (".pth", torch.save, torch.nn.DataParallel),
        "compiled": (".pth", torch.save, torch.compile),
        "compiled-data-parallel": (".pth", torch.save, lambda model: torch.compile(torch.nn.DataParallel(model))),
        "safetensors": (".safetensors", save_file, lambda model: model),
        "safetensors-prefix": (".safetensors", save_file, lambda model: torch.nn.ModuleDict({"model": model})),
        "safetensors-bfloat16": (".safetensors", save_file, Module.bfloat16),
        "safetensors-sharded": ("", sharded(), lambda model: model),
        "pytorch-sharded": ("", sharded(safe_serialization=False), lambda model: model),
    }
    sides = {"before": side(".pth", torch.save, net.state_dict(), list(net.state_dict().items()))}
    for name, (extension, save, dress) in dressed.items():
        for end, model in [("same", net), ("after", moved_net)]:
            state = dress(copy.deepcopy(model)).state_dict()
            sides[f"{name}-{end}"] = side(extension, save, state, list(state.items()))
    case("plain", BY_TORCH, sides)


SHARD = 450


def sharded(**options):
    """Saves a folder of files with their index."""
    from huggingface_hub import save_torch_state_dict

    def save(state, folder):
        os.makedirs(folder, exist_ok=True)
        save_torch_state_dict(state, folder, max_shard_size=SHARD, **options)

    return save


def missing_shard():
    from huggingface_hub import split_torch_state_dict_into_shards

    last, lost = sorted(split_torch_state_dict_into_shards(net.state_dict(), max_shard_size=SHARD).filename_to_tensors.items())[-1]

    def save_without_last(state, folder):
        sharded()(state, folder)
        os.remove(os.path.join(folder, last))

    found = [(name, None if name in lost else tensor) for name, tensor in moved_net.state_dict().items()]
    sides = {"before": side("", sharded(), net.state_dict(), list(net.state_dict().items())),
             "after": side("", save_without_last, moved_net.state_dict(), found)}
    case("missing-shard", BY_TORCH, sides, missing=last)


def lightning_checkpoints():
    """What Lightning's own callback saves, after one epoch and after two; with these gradients every tensor moves."""
    import lightning

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = copy.deepcopy(net)

        def training_step(self, batch):
            return sum(parameter.sum() for parameter in self.parameters())

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    def writer(epochs):
        def write(path):
            module = Module()
            callback = lightning.pytorch.callbacks.ModelCheckpoint(FOLDER, os.path.splitext(os.path.basename(path))[0], enable_version_counter=False)
            trainer = lightning.Trainer(max_epochs=epochs, accelerator="cpu", logger=False, callbacks=[callback],
                                        enable_progress_bar=False, enable_model_summary=False)
            trainer.fit(module, torch.utils.data.DataLoader(torch.zeros(1, 1)))
            return list(module.state_dict().items())

        return ".ckpt", write

    case("lightning-real", "Lightning " + lightning.__version__, {"before": writer(1), "after": writer(2)}, places=["state_dict"])


def keras_cases():
    """A base alone against saved models that hold it under a new classifier, nested or layer by layer.

    Names are the datasets' whole paths, in `.keras` those in its `model.weights.h5`."""
    from keras.layers import BatchNormalization, Conv2D, Dense, Flatten, Input
    from keras.models import Model, Sequential
    from keras.optimizers import SGD

    images = Input((8, 8, 3))
    features = Conv2D(2, 3, name="block1_conv2")(Conv2D(2, 3, name="block1_conv1")(images))
    base = Model(images, BatchNormalization(name="bn")(features), name="base")
    nested, trained, layered = Sequential(), Sequential(), Sequential()
    for model, layers in [(nested, [base]), (trained, [base]), (layered, base.layers)]:
        for layer in layers + [Flatten(), Dense(2, name="fc")]:
            model.add(layer)
    trained.compile(SGD(), "mse")
    trained.train_on_batch(np.zeros((1, 8, 8, 3)), np.zeros((1, 2)))
    random = np.random.RandomState(0)
    start = {layer.name: [random.uniform(0.1, 1, weight.shape).astype("float32") for weight in layer.get_weights()] for layer in base.layers}
    moved = {name: [numbers + 1 for numbers in weights] for name, weights in start.items()}
    classifier = {"fc": [np.ones((32, 2), "float32"), np.ones(2, "float32")]}

    def saved(model, values, extension, only_weights=False):
        values = {**values, **classifier}

        def write(path):
            for top in model.layers:
                for layer in getattr(top, "layers", [top]):
                    layer.set_weights(values.get(layer.name, []))
            (model.save_weights if only_weights else model.save)(path)
            return list(store_tensors(model, values) if extension in [".weights.h5", ".keras"] else
                        layer_tensors(model, values, "" if only_weights else "model_weights/"))

        return extension, write

    sides = {
        "2.0.8": {"before": saved(base, start, ".h5", True), "nested-after": saved(trained, moved, ".h5")},
        "2.1.3": {"before": saved(base, start, ".h5", True), "weights-after": saved(nested, moved, ".h5", True)},
        "2.2.4": {"before": saved(base, start, ".h5", True), "nested-same": saved(nested, start, ".h5"),
                  "nested-after": saved(trained, moved, ".h5"), "layers-after": saved(layered, moved, ".h5")},
        "3.12.0": {"before": saved(base, start, ".weights.h5", True), "nested-same": saved(nested, start, ".keras"),
                   "nested-after": saved(nested, moved, ".keras"),
                   "optimizer-after": saved(trained, moved, ".weights.h5", True), "legacy-after": saved(nested, moved, ".h5")},
    }[keras.__version__]
    case("keras-" + keras.__version__, "Keras " + keras.__version__, sides)


def layer_tensors(model, values, place):
    """Tensors as HDF5 files of Keras 2, and the legacy ones of Keras 3, name them."""
    for top in model.layers:
        for layer in getattr(top, "layers", [top]):
            for weight, numbers in zip(layer.weights, values.get(layer.name, [])):
                yield place + top.name + "/" + getattr(weight, "path", weight.name), numbers


def store_tensors(model, values, place="layers/"):
    """Tensors as Keras 3 names them: by the class of their layer, counted, and by number."""
    from keras.src.utils.naming import to_snake_case

    used = collections.Counter()
    for layer in model.layers:
        kind = to_snake_case(type(layer).__name__)
        own = place + (kind + "_%d" % used[kind] if used[kind] else kind)
        used[kind] += 1
        if hasattr(layer, "layers"):
            yield from store_tensors(layer, values, own + "/layers/")
        for number, numbers in enumerate(values.get(layer.name, [])):
            yield "%s/vars/%d" % (own, number), numbers


def hdf5_cases():
    """Files of h5py: two tensors and something that files of others hold beside them."""
    import h5py

    paths, text = ["kernel", "bias"], h5py.string_dtype()
    random = np.random.RandomState(0)
    start = [random.uniform(0.1, 1, shape).astype("float32") for shape in [(3, 3, 2, 2), 2]]
    # Name and content of the other dataset, before (step 0) and after (step 1), and how it is created.
    others = {
        "int64-scalar": ("iterations", lambda step: np.array(90 + step), {}),
        "half": ("half", lambda step: start[0].astype("float16") + step, {}),
        "big-endian": ("swapped", lambda step: (start[0] + step).astype(">f4"), {}),
        "bool": ("mask", lambda step: start[1] > step, {}),
        "complex": ("spectrum", lambda step: start[1] + step * 1j, {}),
        "strings": ("labels", lambda step: np.array(["cat", "dög" + "!" * step], dtype=object), {"dtype": text}),
        "fixed-strings": ("labels", lambda step: np.array([b"cat", b"dog" + b"!" * step], dtype="S5"), {}),
        "compound": ("log", lambda step: np.array([(step, 0.5)], dtype=[("epoch", "i4"), ("loss", "f4")]), {}),
        "chunked": ("packed", lambda step: start[0] + step, {"chunks": (2, 2, 1, 2), "compression": "gzip", "shuffle": True}),
        "no-rows": ("rows", lambda step: np.zeros((0, 3), "float32"), {}),
        "deep": ("a/b/c/kernel", lambda step: start[0] + step, {}),
    }

    def writer(step, add, libver="earliest"):
        def write(path):
            with h5py.File(path, "w", libver=libver) as file:
                tensors = [(name, numbers + np.float32(step)) for name, numbers in zip(paths, start)]
                for name, numbers in tensors:
                    file[name] = numbers
                return tensors + add(file, step)

        return ".h5", write

    def dataset(name, content, options, file, step):
        file.create_dataset(name, data=content(step), **options)
        return [(name, content(step))]

    def null(file, step):
        file["null"] = h5py.Empty("f4")
        return [("null", np.zeros(0, "float32"))]

    def references(file, step):
        file.create_dataset("reference", data=file[paths[step]].ref, dtype=h5py.ref_dtype)
        return [("reference", np.array(paths[step], dtype=object))]

    def links(file, step):
        file["soft"], file["dangling"], file["hard"] = h5py.SoftLink("/" + paths[0]), h5py.SoftLink("/nowhere"), file[paths[1]]
        return [("soft", start[0] + step), ("hard", start[1] + step)]

    def external(file, step):
        file["elsewhere"] = h5py.ExternalLink("other.h5", "/kernel")
        return [("elsewhere", start[0] + step)]

    adders = {name: functools.partial(dataset, *other) for name, other in others.items()}
    for name, add in {**adders, "null": null, "references": references, "links": links, "external": external}.items():
        case("hdf5-" + name, "h5py " + h5py.__version__, {"before": writer(0, add), "after": writer(1, add)})
    checksummed = functools.partial(dataset, "packed", lambda step: start[0] + step, {"chunks": True, "fletcher32": True, "compression": "lzf"})
    for name, add in {"newest": adders["chunked"], "checksummed": checksummed}.items():
        case("hdf5-" + name, "h5py " + h5py.__version__, {"before": writer(0, add, "latest"), "after": writer(1, add, "latest")})


def other_file(name, what):
    """The path of a file that is no checkpoint."""
    truth["not-checkpoints/" + name] = {"is": what}
    folder = os.path.join(FOLDER, "not-checkpoints")
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, name)


def other_files():
    import gguf
    import onnx
    from safetensors.torch import save

    arrays = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    archive = io.BytesIO()
    torch.save(net.state_dict(), archive)
    contents = {
        "model.pkl": ("a pickle of NumPy arrays", pickle.dumps(arrays)),
        "pointer.safetensors": ("a Git LFS pointer", b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0f" * 32 + b"\nsize 553507836\n"),
        "page.pth": ("a web page", b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not Found</body></html>\n"),
        "model.pth.gz": ("gzip", gzip.compress(archive.getvalue(), mtime=0)),
        "truncated.safetensors": ("a truncated safetensors file", save(net.state_dict())[:-50]),
        "truncated-header.safetensors": ("a truncated safetensors file", save(net.state_dict())[:100]),
        "truncated.pth": ("a truncated zip archive", archive.getvalue()[:-500]),
        "empty.pth": ("an empty file", b""),
    }
    for name, (what, content) in contents.items():
        with open(other_file(name, what), "wb") as file:
            file.write(content)
    np.save(other_file("model.npy", "a NumPy array"), arrays[kernel])
    np.savez(other_file("model.npz", "NumPy arrays"), **arrays)
    values = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4]) for name in ["images", "features"]]
    node = onnx.helper.make_node("Add", ["images", bias], ["features"])
    graph = onnx.helper.make_graph([node], "net", values[:1], values[1:], [onnx.numpy_helper.from_array(arrays[bias], bias)])
    onnx.save(onnx.helper.make_model(graph, producer_name="pytorch"), other_file("model.onnx", "ONNX"))
    writer = gguf.GGUFWriter(other_file("model.gguf", "GGUF"), "llama")
    writer.add_tensor(bias, arrays[bias])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def tensorflow_files():
    import tensorflow as tf

    # The converter is a program beside this Python.
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    images = tf.placeholder(tf.float32, [1, 4], name="images")
    features = tf.matmul(images, tf.Variable(tf.ones([4, 2]), name="kernel"), name="features")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        tf.train.Saver().save(session, other_file("model.ckpt", "the prefix of a TensorFlow checkpoint"), write_meta_graph=False, write_state=False)
        frozen = tf.graph_util.convert_variables_to_constants(session, session.graph_def, ["features"])
        lite = tf.contrib.lite.TFLiteConverter.from_session(session, [images], [features]).convert()
    del truth["not-checkpoints/model.ckpt"]
    other_file("model.ckpt.index", "the index of a TensorFlow checkpoint")
    other_file("model.ckpt.data-00000-of-00001", "the numbers of a TensorFlow checkpoint")
    with open(other_file("model.pb", "a frozen TensorFlow graph"), "wb") as file:
        file.write(frozen.SerializeToString())
    with open(other_file("model.tflite", "TensorFlow Lite"), "wb") as file:
        file.write(lite)


def main():
    os.makedirs(FOLDER, exist_ok=True)
    if torch and torch.__version__.startswith("1."):
        legacy("pytorch-1.4", [2])
    elif torch:
        archives()
        legacy("legacy", [2, 3, 4, 5])
        dresses()
        missing_shard()
        elsewhere()
        lightning_checkpoints()
        hdf5_cases()
        other_files()
    elif keras:
        keras_cases()
        if keras.__version__ == "2.2.4":
            tensorflow_files()
    path = os.path.join(FOLDER, "truth.json")
    if os.path.exists(path):
        with open(path) as file:
            truth.update({name: facts for name, facts in json.load(file).items() if name not in truth})
    with open(path, "w") as file:
        file.write("{\n" + ",\n".join(json.dumps(name) + ": " + json.dumps(truth[name], separators=(",", ":")) for name in sorted(truth)) + "\n}\n")


if __name__ == "__main__":
    main()

"""Layers, losses and RMSprop as PyTorch computes them, in thaw's layout (NHWC activations, HWIO kernels)."""

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

torch.manual_seed(20170815)
torch.set_num_threads(1)
layers = {}
training = {}


def keep(store, name, **tensors):
    for key, value in tensors.items():
        store[f"{name}.{key}"] = value.detach().to(torch.float32).contiguous().clone()


def nhwc(tensor):
    return tensor.permute(0, 2, 3, 1)


def convolution(name, height, width, channels_in, channels_out, kernel, stride, padding):
    """In float64, so that the fixture is a reference for accuracy too."""
    x = torch.randn(2, channels_in, height, width, dtype=torch.float64).float().double().requires_grad_()
    w = (torch.randn(channels_out, channels_in, kernel, kernel, dtype=torch.float64) * 0.3).float().double().requires_grad_()
    b = torch.randn(channels_out, dtype=torch.float64).float().double().requires_grad_()
    y = F.relu(F.conv2d(x, w, b, stride=stride, padding=padding))
    dy = torch.randn_like(y).float().double()
    y.backward(dy)
    hwio = (2, 3, 1, 0)
    keep(layers, name, x=nhwc(x), w=w.permute(hwio), b=b, y=nhwc(y), dy=nhwc(dy), dx=nhwc(x.grad), dw=w.grad.permute(hwio), db=b.grad)


convolution("conv3x3", 9, 7, 5, 6, 3, 1, 1)
convolution("conv3x3_wide", 7, 40, 8, 12, 3, 1, 1)
convolution("conv1x1", 6, 5, 8, 12, 1, 1, 0)
convolution("conv7x7_stride2", 23, 22, 3, 10, 7, 2, 0)


def pool(name, height, width, window, stride, ceil, values=None):
    x = (torch.randn(2, 3, height, width) if values is None else values).requires_grad_()
    y = F.max_pool2d(x, window, stride, ceil_mode=ceil)
    dy = torch.randn_like(y)
    y.backward(dy)
    keep(layers, name, x=nhwc(x), y=nhwc(y), dy=nhwc(dy), dx=nhwc(x.grad))


pool("pool2", 8, 6, 2, 2, False)
pool("pool2_odd", 9, 7, 2, 2, False)
pool("pool3_stride2_ceil", 10, 12, 3, 2, True)
pool("pool3_stride2_ceil_odd", 9, 11, 3, 2, True)
pool("pool_ties", 6, 6, 3, 2, True, torch.randint(0, 3, (2, 3, 6, 6)).float())


def dense(name, inputs, outputs, relu):
    x = torch.randn(5, inputs, dtype=torch.float64).float().double().requires_grad_()
    w = (torch.randn(inputs, outputs, dtype=torch.float64) * 0.1).float().double().requires_grad_()
    b = torch.randn(outputs, dtype=torch.float64).float().double().requires_grad_()
    y = x @ w + b
    y = F.relu(y) if relu else y
    dy = torch.randn_like(y).float().double()
    y.backward(dy)
    keep(layers, name, x=x, w=w, b=b, y=y, dy=dy, dx=x.grad, dw=w.grad, db=b.grad)


dense("dense_relu", 1300, 24, True)
dense("dense_linear", 24, 1, False)

z = torch.tensor([0.0, -0.5, 3.0, -30.0, 40.0, 100.0, -100.0, 1e-4]).requires_grad_()
t = torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0])
loss = F.binary_cross_entropy_with_logits(z, t, reduction="none")
loss.mean().backward()
keep(training, "binary", logits=z, targets=t, losses=loss, gradient=z.grad)

z = (torch.randn(6, 4) * 5).requires_grad_()
t = torch.tensor([0, 3, 2, 1, 1, 0])
loss = F.cross_entropy(z, t, reduction="none")
loss.mean().backward()
keep(training, "categorical", logits=z, targets=t.float(), losses=loss, gradient=z.grad)

# RMSprop: PyTorch's has ε outside the root; Keras 2.12's is written out, since its formula is a line.
for position in ("outside", "inside"):
    w = torch.randn(40).requires_grad_()
    gradients = torch.randn(20, 40) * torch.logspace(-6, 1, 40)
    start = w.detach().clone()
    trajectory = []
    optimizer = torch.optim.RMSprop([w], lr=2e-3, alpha=0.9, eps=1e-7)
    accumulator = torch.zeros(40)
    for gradient in gradients:
        if position == "outside":
            w.grad = gradient.clone()
            optimizer.step()
        else:
            accumulator = 0.9 * accumulator + 0.1 * gradient**2
            w = (w - 2e-3 * gradient / torch.sqrt(accumulator + 1e-7)).detach()
        trajectory.append(w.detach().clone())
    keep(training, f"rmsprop_{position}", start=start, gradients=gradients, trajectory=torch.stack(trajectory))

# A head of two layers trained for some steps with full control over everything random.
x = torch.randn(7, 20)
y = torch.tensor([0.0, 1, 1, 0, 1, 0, 0])
w1, b1 = (torch.randn(20, 8) * 0.3).requires_grad_(), torch.zeros(8, requires_grad=True)
w2, b2 = (torch.randn(8, 1) * 0.3).requires_grad_(), torch.zeros(1, requires_grad=True)
mask = (torch.rand(7, 8) < 0.5).float() * 2
keep(training, "head", x=x, y=y, w1=w1, b1=b1, w2=w2, b2=b2, mask=mask)
optimizer = torch.optim.RMSprop([w1, b1, w2, b2], lr=1e-2, alpha=0.9, eps=1e-8)
losses = []
for _ in range(10):
    optimizer.zero_grad()
    logits = ((F.relu(x @ w1 + b1) * mask) @ w2 + b2).squeeze(1)
    loss = F.binary_cross_entropy_with_logits(logits, y)
    loss.backward()
    optimizer.step()
    losses.append(loss.detach())
keep(training, "head_trained", losses=torch.stack(losses), w1=w1, w2=w2)

bound = torch.nn.init.xavier_uniform_(torch.empty(300, 200)).abs().max()
keep(training, "glorot", bound=bound.reshape(1))

save_file(layers, "crates/conv/tests/fixtures/layers.safetensors")
save_file(training, "crates/model/tests/fixtures/training.safetensors")

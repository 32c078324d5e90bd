"""The published layout, and the half-resolution one."""

from itertools import pairwise

import pytest
import torch
from torch import nn
from torch.nn import functional

from lib.nets import unet
from lib.nets.recipes import PLANS, paper_recipe
from lib.nets.unet import UNet, channels_last, coarser, with_answers


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_the_published_network_has_450897_parameters():
    assert parameters(UNet()) == 450_897


def test_the_networks_that_the_paper_chose_from_are_recipes():
    assert parameters(PLANS["paper"].members[0].network()) == 450_897
    assert (paper_recipe(4, 3), PLANS["paper"].members[0].widths) == (PLANS["paper"].members[0], (16, 32, 64, 128))
    assert PLANS["paper-6-5"].members[0].widths == (16, 32, 64, 128, 256, 512)
    assert PLANS["paper-2-3"].members[0].widths == (16, 32)
    assert PLANS["paper-6-5"].members[0].layout()["kernel"] == 5
    assert "kernel" not in PLANS["paper-6-3"].members[0].layout()


def test_the_half_resolution_network_has_450676_parameters():
    assert parameters(UNet(shuffle=2, bias=False)) == 450_676


def published_state(seed: int, widths: tuple[int, ...] = (16, 32, 64, 128), kernel: int = 3) -> dict[str, torch.Tensor]:
    """Random tensors under the names and shapes of the published state dict, written out from its description."""
    generator = torch.Generator().manual_seed(seed)
    state: dict[str, torch.Tensor] = {}

    def conv(name: str, filters: int, channels: int, side: int) -> None:
        state[f"{name}.weight"] = (
            torch.randn(filters, channels, side, side, generator=generator) / (channels * side * side) ** 0.5
        )
        state[f"{name}.bias"] = torch.randn(filters, generator=generator)

    def block(name: str, channels: int, filters: int) -> None:
        for n, before in ((0, channels), (3, filters)):
            conv(f"{name}.convblock.{n}", filters, before, kernel)
            for part in ("weight", "bias", "running_mean", "running_var"):
                state[f"{name}.convblock.{n + 1}.{part}"] = torch.rand(filters, generator=generator) + 0.5
            state[f"{name}.convblock.{n + 1}.num_batches_tracked"] = torch.tensor(7)

    for n, (channels, filters) in enumerate(pairwise((1, *widths))):
        block(f"down_path.{n}", channels, filters)
    for n, (channels, filters) in enumerate(pairwise(widths[::-1])):
        conv(f"up_path.{n}.UpBlock.1", filters, channels, 1)
        block(f"up_path.{n}.ConvBlock", channels, filters)
    conv("last_layer", 1, 16, 1)
    return state


def published_forward(state: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The network of the paper in plain functions, evaluation mode: the oracle."""
    f = nn.functional
    levels = sum(name.startswith("down_path") and name.endswith("convblock.0.weight") for name in state)

    def conv(name: str, x: torch.Tensor) -> torch.Tensor:
        weight = state[f"{name}.weight"]
        return f.conv2d(x, weight, state[f"{name}.bias"], padding=weight.shape[-1] // 2)

    def block(name: str, x: torch.Tensor) -> torch.Tensor:
        for n in (0, 3):
            norm = [state[f"{name}.convblock.{n + 1}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")]
            x = f.relu(f.batch_norm(conv(f"{name}.convblock.{n}", x), *norm))
        return x

    skips = []
    for n in range(levels):
        x = block(f"down_path.{n}", x if n == 0 else f.max_pool2d(x, 2))
        skips.append(x)
    for n in range(levels - 1):
        x = conv(f"up_path.{n}.UpBlock.1", f.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True))
        x = block(f"up_path.{n}.ConvBlock", torch.cat([x, skips[levels - 2 - n]], dim=1))
    return conv("last_layer", x)


@pytest.mark.slow
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("levels", [2, 4, 6])
def test_a_published_state_dict_loads_and_computes_what_the_paper_describes(levels, kernel):
    """The released network, and the others that its authors chose from."""
    recipe = paper_recipe(levels, kernel)
    state = published_state(0, recipe.widths, kernel)
    net = recipe.network().eval()
    net.load_state_dict(state)
    x = torch.randn(2, 1, 64, 96, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = published_forward(state, x)
        # float32 through 18 layers, the order of two linear steps exchanged
        torch.testing.assert_close(net(x), expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


@pytest.mark.parametrize("shuffle", [1, 2, 4])
def test_logits_have_the_shape_of_the_image(shuffle):
    net = UNet((4, 8, 8), shuffle, bias=False).eval()
    assert net.smallest == net.multiple == 4 * shuffle
    with torch.no_grad():
        assert net(torch.zeros(2, 1, 32, 48)).shape == (2, 1, 32, 48)
        # 9 and 5 blocks: halved, they are 4 and 2, and 2 and 1
        assert net(torch.zeros(2, 1, 9 * shuffle, 5 * shuffle)).shape == (2, 1, 9 * shuffle, 5 * shuffle)


def test_an_odd_level_is_stretched_to_the_skip_from_corner_to_corner():
    """Two levels; the lower one passes its input on, the upper one shows what reaches it from below."""
    net = UNet((1, 1), shuffle=1, bias=False).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.zero_()
        # each block copies its first channel; batch statistics are those of a fresh layer
        for block in (*net.down_path, net.up_path[0].ConvBlock):
            for n in (0, 3):
                block.convblock[n].weight[0, 0, 1, 1] = 1.0
                block.convblock[n + 1].weight.fill_((1 + block.convblock[n + 1].eps) ** 0.5)
        net.up_path[0].UpBlock[1].weight.fill_(1.0)
        net.last_layer.weight.fill_(1.0)
        # 5 pixels pooled to 2, the last one dropped: the larger of each pair
        network = net(torch.tensor([1.0, 3.0, 2.0, 7.0, 9.0]).expand(1, 1, 5, 5))[0, 0, 0]
    torch.testing.assert_close(network, torch.tensor([3.0, 4.0, 5.0, 6.0, 7.0]))


def test_gradients_are_those_of_the_plain_network_to_the_last_bit(monkeypatch):
    def gradients() -> list[torch.Tensor]:
        torch.manual_seed(0)
        net = channels_last(UNet(shuffle=2)).train()
        images = torch.rand(2, 1, 48, 64).contiguous(memory_format=torch.channels_last)
        net(images).square().mean().backward()
        return [parameter.grad for parameter in net.parameters()]

    laid_out = []
    own = unet._with_whole_gradient
    monkeypatch.setattr(unet, "_with_whole_gradient", lambda x: laid_out.append(x) or own(x))
    with_hooks = gradients()
    assert len(laid_out) == 6  # upsampled and skip of three levels
    monkeypatch.setattr(unet, "_with_whole_gradient", lambda x: x)
    assert all(torch.equal(*pair) for pair in zip(with_hooks, gradients(), strict=True))


def test_a_network_wants_sizes_as_even_as_the_slices_that_it_learnt():
    # 336 = 16 * 21
    assert [UNet(shuffle=shuffle).multiple for shuffle in (1, 2, 4)] == [8, 16, 16]
    assert UNet(shuffle=4).smallest == 32


@pytest.mark.parametrize(("shuffle", "factor"), [(4, 2), (4, 4), (6, 3)])
def test_a_network_for_coarser_pixels_answers_as_the_fine_one_does_on_blocks_of_equal_pixels(shuffle, factor):
    torch.manual_seed(0)
    fine = UNet((4, 8), shuffle, bias=False).eval()
    coarse = torch.rand(1, 1, 8 * shuffle // factor, 8 * shuffle // factor)
    with torch.no_grad():
        expected = functional.avg_pool2d(fine(coarse.repeat_interleave(factor, 2).repeat_interleave(factor, 3)), factor)
        torch.testing.assert_close(coarser(fine, factor)(coarse), expected, atol=1e-5, rtol=1e-5)


def test_a_network_with_more_answers_gives_each_as_its_own_and_back():
    torch.manual_seed(0)
    net, x = UNet((4, 8), 2, bias=False, kernel=5).eval(), torch.rand(2, 1, 16, 16)
    several = with_answers(net, 3)
    with torch.no_grad():
        torch.testing.assert_close(several(x), net(x).repeat(1, 3, 1, 1))
        torch.testing.assert_close(with_answers(several, 1)(x), net(x))

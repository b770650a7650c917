"""Start a network from another of its family: equal shapes are copied, the rest is fitted as far as it goes."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from napari_xmem.model import XMem
from napari_xmem.model.blocks import NarrowUpsampleBlock, UpsampleBlock
from napari_xmem.model.factored import FactoredConv2d
from napari_xmem.model.factored_fusion import FactoredFusion

if TYPE_CHECKING:
    from napari_xmem.config import ModelConfig

__all__ = ["inherit", "parent_weights"]


def parent_weights(name: str) -> Path:
    """Return the file of a model that recipes start from; it ships with the recipes."""
    return Path(str(resources.files("napari_xmem_training") / "weights" / f"{name}.safetensors"))


@torch.no_grad()
def inherit(parent: XMem, config: ModelConfig, seed: int = 0) -> XMem:
    """Return a network of shape `config` that computes about what `parent` does.

    Parameters
    ----------
    parent : XMem
        Trained weights.
    config : ModelConfig
        The new shape; widths and depths of both encoders as in `parent`.
    seed : int
        Of the weights that nothing is known about.

    Returns
    -------
    XMem
        In train mode. Whole convolutions become factored ones by least squares, 3x3 shortcuts and skip connections
        become 1x1 ones with the sum of their taps; what is left is drawn at random.
    """
    torch.manual_seed(seed)
    network = XMem(config)
    old = parent.state_dict()
    new = network.state_dict()
    new.update({name: tensor for name, tensor in old.items() if name in new and new[name].shape == tensor.shape})
    network.load_state_dict(new)
    for name, module in network.named_modules():
        if isinstance(module, FactoredFusion):
            _inherit_fusion(module, old, name)
        elif isinstance(module, FactoredConv2d) and f"{name}.weight" in old:
            _factor(module, old[f"{name}.weight"], old.get(f"{name}.bias"))
        elif isinstance(module, NarrowUpsampleBlock):
            before = parent.get_submodule(name)
            if isinstance(before, UpsampleBlock):
                _inherit_upsampling(module, before)
    return network


def _factor(module: FactoredConv2d, weight: Tensor, bias: Tensor | None) -> None:
    out_channels, in_channels = weight.shape[:2]
    kernels = len(module.spatial)
    if (module.mix.out_channels, module.mix.in_channels) != (out_channels, in_channels * kernels):
        return
    fitted = FactoredConv2d.like(weight, bias if module.mix.bias is not None else None, kernels)
    module.load_state_dict(fitted.state_dict())


def _inherit_fusion(module: FactoredFusion, old: dict[str, Tensor], name: str) -> None:
    weight, bias = old[f"{name}.block1.conv1.weight"], old[f"{name}.block1.conv1.bias"]
    split = module.image_shortcut.in_channels
    _factor(module.image_conv, weight[:, :split], bias)
    _factor(module.object_conv, weight[:, split:], None)
    _factor(module.conv2, old[f"{name}.block1.conv2.weight"], old[f"{name}.block1.conv2.bias"])
    shortcut = old[f"{name}.block1.downsample.weight"].sum((2, 3), keepdim=True)
    module.image_shortcut.weight.copy_(shortcut[:, :split])
    module.object_shortcut.weight.copy_(shortcut[:, split:])
    if module.image_shortcut.bias is not None:
        module.image_shortcut.bias.copy_(old[f"{name}.block1.downsample.bias"])


def _inherit_upsampling(module: NarrowUpsampleBlock, before: UpsampleBlock) -> None:
    """Let the narrow block begin as the shortcut of the wide one: its residual branch adds nothing yet."""
    shortcut = before.out_conv.downsample
    if shortcut is None:
        return
    keep = _strongest(shortcut, module.reduce.out_channels)
    reduce = shortcut.weight.sum((2, 3))[keep]
    skip = before.skip_conv.weight.sum((2, 3))
    bias = before.skip_conv.bias
    _set(module.reduce, reduce, None if shortcut.bias is None else shortcut.bias[keep])
    _set(module.skip_conv, reduce @ skip, None if bias is None else reduce @ bias)
    last = module.out_conv.conv2
    if isinstance(last, nn.Conv2d):
        nn.init.zeros_(last.weight)
        if last.bias is not None:
            nn.init.zeros_(last.bias)


def _strongest(conv: nn.Conv2d, count: int) -> Tensor:
    """Return the indices of the `count` output channels with the largest weights, in their order."""
    return conv.weight.flatten(1).norm(dim=1).topk(count).indices.sort().values


def _set(conv: nn.Conv2d, weight: Tensor, bias: Tensor | None) -> None:
    conv.weight.copy_(weight[..., None, None])
    if conv.bias is not None and bias is not None:
        conv.bias.copy_(bias)

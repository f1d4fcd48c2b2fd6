"""Whether bfloat16 is faster on a device."""

from __future__ import annotations

import torch


def native_bfloat16(device: torch.device) -> bool:
    """Whether a device computes natively in bfloat16; other devices emulate it, slower than float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()

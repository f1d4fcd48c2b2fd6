"""Whether bfloat16 is worth it."""

from __future__ import annotations

import torch


def native_bfloat16(device: torch.device) -> bool:
    """Whether a device computes in bfloat16, where others emulate it and are slower with it than in float32."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device.type != "cpu":
        return False
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()

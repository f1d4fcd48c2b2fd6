"""One epoch of `zoo fit` against the same steps in a bare PyTorch loop over the same batches, in turns.

python tests/benchmarks/train_epoch.py [--steps 20] [--rounds 3]
"""

import argparse
import time
import warnings

import torch
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, RichProgressBar

from zoo.data import Augment, StreetScenes
from zoo.models.linknet import LinkNetModule
from zoo.training.run import prepare_process


class Clock(Callback):
    """Seconds of each epoch, without what surrounds it."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def on_train_epoch_start(self, *_: object) -> None:
        self.start = time.perf_counter()

    def on_train_epoch_end(self, *_: object) -> None:
        self.seconds.append(time.perf_counter() - self.start)


def bare_epoch(module: LinkNetModule, optimizer: torch.optim.Optimizer, data: StreetScenes, epoch: int) -> float:
    loader = data.train_dataloader()
    loader.sampler.set_epoch(epoch)
    start = time.perf_counter()
    for batch in loader:
        pictures, masks = data.on_after_batch_transfer(batch, 0)
        with torch.autocast("cpu", torch.bfloat16):
            loss = module.loss(module.net(pictures).float().contiguous(), masks)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    prepare_process()
    data = StreetScenes((360, 480), train=8 * options.steps, val=1, augment=Augment(crop=(320, 448)))
    data.setup("fit")
    arguments = {"labels": data.labels, "encoder": "tf_efficientnet_lite0", "encoder_weights": None, "stem_skip": True}
    bare, ours, clock = LinkNetModule(**arguments), LinkNetModule(**arguments), Clock()
    bare.train()
    optimizer = torch.optim.AdamW(bare.net.parameters(), 1e-3)
    bare_epoch(bare, optimizer, data, 0)  # warm-up
    seconds = []
    for _ in range(options.rounds):
        trainer = Trainer(
            max_epochs=1, precision="bf16-mixed", callbacks=[clock, RichProgressBar()], limit_val_batches=0,
            logger=False, enable_checkpointing=False, accelerator="cpu", enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(ours, data)
        seconds.append(bare_epoch(bare, optimizer, data, 0))
    print(f"zoo fit {min(clock.seconds):.2f} s, bare loop {min(seconds):.2f} s for {options.steps} steps")
    print(f"ratio {min(clock.seconds) / min(seconds):.3f}")


if __name__ == "__main__":
    main()

"""Trains the demonstration detector from nothing for a given time and writes its folder."""

import argparse
import math
import time
from pathlib import Path

import numpy as np
import torch
from training.forward import TrainingForward
from training.model import RunningAverage, new_detector, save_detector
from training.pool import SamplePool
from training.step import TrainingStep

WARM_UP_STEPS = 500
AVERAGE_EVERY = 4
LAST_RATE = 0.01


def arguments() -> argparse.Namespace:
    """Return the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="folder for the checkpoint")
    parser.add_argument("--train-s", type=float, default=1200, help="training time in seconds")
    parser.add_argument("--samples", type=int, default=120_000, help="most samples in the pool")
    parser.add_argument("--first-samples", type=int, default=4000, help="samples to render before step 1")
    parser.add_argument("--workers", type=int, default=14, help="rendering processes")
    parser.add_argument("--batch", type=int, default=64, help="images per step")
    parser.add_argument("--rate", type=float, default=5e-4, help="highest learning rate")
    parser.add_argument("--bf16", action="store_true", help="backbone and encoder in bf16")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def learning_rate(highest: float, step: int, progress: float) -> float:
    """Return the rate: linear warm-up, then half a cosine down to LAST_RATE of the highest."""
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return highest * min(1.0, (step + 1) / WARM_UP_STEPS) * (LAST_RATE + (1 - LAST_RATE) * cosine)


def weight_groups(model) -> list[dict]:
    """Return parameter groups: no weight decay for biases and norms."""
    plain = [p for p in model.parameters() if p.ndim < 2]
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    return [{"params": decayed, "weight_decay": 1e-4}, {"params": plain, "weight_decay": 0.0}]


def train(options: argparse.Namespace, pool: SamplePool) -> RunningAverage:
    """Train for the time asked for; return the averaged weights."""
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    model = new_detector().to(options.device, memory_format=torch.channels_last).train()
    rate = torch.tensor(0.0, device=options.device)
    optimizer = torch.optim.AdamW(weight_groups(model), lr=rate, fused=True, capturable=rate.is_cuda)
    average = RunningAverage(model, decay=0.998)
    step = TrainingStep(TrainingForward(model, options.device, options.bf16), optimizer, pool, options.batch)
    start, count = time.monotonic(), 0
    while (elapsed := time.monotonic() - start) < options.train_s:
        if count % 20 == 0:
            pool.take_arrived()
        rate.fill_(learning_rate(options.rate, count, elapsed / options.train_s))
        step.run(rng.integers(0, pool.size, options.batch))
        if count % AVERAGE_EVERY == 0:
            average.update(model)
        if count % 200 == 0:
            print(f"{elapsed:7.1f} s  step {count}  {count / max(elapsed, 1e-9):.1f} steps/s  "
                  f"pool {pool.size}  loss {step.loss.item():.3f}", flush=True)  # fmt: skip
        if count % 4000 == 3999:
            save_detector(average.state, options.output)
        count += 1
    print(f"{count} steps, {pool.size} samples", flush=True)
    return average


def main() -> None:
    """Render, train, save."""
    options = arguments()
    pool = SamplePool(options.samples, options.workers)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    pool.allocate(options.device)
    start = time.monotonic()
    while pool.take_arrived() < options.first_samples:
        time.sleep(0.5)
    print(f"{pool.size} samples after {time.monotonic() - start:.0f} s", flush=True)
    try:
        average = train(options, pool)
    finally:
        pool.close()
    save_detector(average.state, options.output)


if __name__ == "__main__":
    main()

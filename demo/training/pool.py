"""A pool of training samples on the GPU that other processes keep filling while training runs."""

import multiprocessing
import os
import threading
from collections import deque

import numpy as np
import torch

from .samples import FRAMES_PER_SCENE, INPUT_PX, MAX_BOXES, Sample, padded, training_samples


def _yield_the_cpu() -> None:
    os.nice(10)


class SamplePool:
    """Grows to `capacity` samples, rendered from seeds 0, 1, 2 … by `workers` processes.

    Construct before CUDA is used: the workers are forked.
    """

    def __init__(self, capacity: int, workers: int):
        self.capacity, self.size = capacity, 0
        self._processes = multiprocessing.get_context("fork").Pool(workers, _yield_the_cpu)
        self._arrived: deque[Sample] = deque()
        self._collector = threading.Thread(target=self._collect, daemon=True)
        self._collector.start()

    def _collect(self) -> None:
        scenes = range(self.capacity // FRAMES_PER_SCENE)
        for samples in self._processes.imap_unordered(training_samples, scenes, chunksize=4):
            self._arrived.extend(samples)

    def allocate(self, device: str) -> None:
        """Reserve the pool's memory on `device`."""
        self.images = torch.empty(self.capacity, INPUT_PX, INPUT_PX, 3, dtype=torch.uint8, device=device)
        self.labels = torch.zeros(self.capacity, MAX_BOXES, dtype=torch.int64, device=device)
        self.boxes = torch.zeros(self.capacity, MAX_BOXES, 4, device=device)
        self.counts = torch.zeros(self.capacity, dtype=torch.int64, device=device)
        self.counts_on_cpu = np.zeros(self.capacity, np.int64)

    def take_arrived(self) -> int:
        """Move rendered samples to the device; return how many the pool holds now."""
        fresh = [self._arrived.popleft() for _ in range(min(len(self._arrived), self.capacity - self.size))]
        if fresh:
            into = slice(self.size, self.size + len(fresh))
            labels, boxes, counts = zip(*(padded(*sample[1:]) for sample in fresh), strict=True)
            self.images[into] = torch.from_numpy(np.stack([sample[0] for sample in fresh]))
            self.labels[into] = torch.from_numpy(np.stack(labels))
            self.boxes[into] = torch.from_numpy(np.stack(boxes))
            self.counts_on_cpu[into] = counts
            self.counts[into] = torch.tensor(counts)
            self.size += len(fresh)
        return self.size

    def close(self) -> None:
        """End the rendering processes."""
        self._processes.terminate()

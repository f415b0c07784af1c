"""One training step, recorded on a GPU as two CUDA graphs with the matching on the CPU between them."""

import numpy as np
import torch

from .augment import augment
from .forward import TrainingForward
from .loss import detection_loss, match, match_cost
from .pool import SamplePool

WARM_UP_STEPS = 3
LONGEST_GRADIENT = 1.0


class TrainingStep:
    """Trains on rows of the pool; `loss` holds the last step's loss on the device."""

    def __init__(
        self, forward: TrainingForward, optimizer: torch.optim.Optimizer, pool: SamplePool, batch: int
    ):
        self.forward, self.optimizer, self.pool = forward, optimizer, pool
        self.parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self.rows = torch.zeros(batch, dtype=torch.int64, device=pool.images.device)
        self.query: torch.Tensor | None = None
        self.graphs: tuple = ()
        if pool.images.is_cuda:
            self._record(batch)

    def run(self, rows: np.ndarray) -> None:
        """Make one step on the pool's `rows`."""
        self.rows.copy_(torch.from_numpy(rows))
        if self.graphs:
            self.graphs[0].replay()
        else:
            self._predict()
        query = torch.from_numpy(match(self.cost.cpu().numpy(), self.pool.counts_on_cpu[rows]))
        if self.query is None:
            self.query = query.to(self.rows.device)
        self.query.copy_(query)
        if self.graphs:
            self.graphs[1].replay()
        else:
            self._learn()

    def _record(self, batch: int) -> None:
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                self.run(np.arange(batch))
        torch.cuda.current_stream().wait_stream(stream)
        self.optimizer.zero_grad(set_to_none=True)
        predict, learn = torch.cuda.CUDAGraph(), torch.cuda.CUDAGraph()
        with torch.cuda.graph(predict, stream=stream):
            self._predict()
        with torch.cuda.graph(learn, pool=predict.pool(), stream=stream):
            self._learn()
        self.graphs = predict, learn

    def _predict(self) -> None:
        images = self.pool.images[self.rows].permute(0, 3, 1, 2).float() / 255
        images, truth = augment(images, self.pool.boxes[self.rows])
        labels = self.pool.labels[self.rows]
        real = torch.arange(labels.shape[1], device=labels.device) < self.pool.counts[self.rows, None]
        self.truth = labels, truth, real
        self.predictions = self.forward(images, *self.truth)
        found = self.predictions.found_logits, self.predictions.found_boxes
        self.cost = match_cost(*found, labels, truth)

    def _learn(self) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        loss = detection_loss(self.predictions, self.query, *self.truth)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.parameters, LONGEST_GRADIENT, foreach=True)
        self.optimizer.step()
        self.loss = loss.detach()

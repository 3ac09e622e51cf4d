"""Active learning in a plain script: `ActiveLearningLoop` is an ordinary Lightning callback.

    python examples/scripts/active_learning_loop.py

The built-in set is rendered on first use; no download and no GPU are needed.
"""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import ModelCheckpoint

from al_lightning import DATASETS, LEARNERS, STRATEGIES, ActiveLearningLoop, LabelPool, PoolDataModule

dataset = DATASETS["synthetic"](size=64)
pool = LabelPool(dataset.pool, dataset.ids)
data = PoolDataModule(dataset, pool, batch_size=8)
loop = ActiveLearningLoop(pool, STRATEGIES["ta-coreset"](), per_stage=20, seed=0)
loop.start(initial=20)
for stage in range(4):
    learner = LEARNERS["unet"](dataset.task, dataset.size)
    best = ModelCheckpoint(monitor="val/miou", mode="max")
    trainer = pl.Trainer(max_epochs=10, callbacks=[loop, best])
    trainer.fit(learner, data)
    trainer.test(learner, data, ckpt_path="best")
    picks = loop.acquire(trainer, learner, data)
    print(stage, [dataset.ids[row] for row in picks.rows])

/**
 * A worker thread of `TrainingLoader`: fills each slot that it receives with the requested batch, and sends it back.
 */
import { parentPort, workerData } from "node:worker_threads";
import { required, UserError } from "../core/errors.ts";
import { toPortable } from "../core/portable-error.ts";
import type { FilledSlot, LoaderSetup, SlotRequest, WorkerAnswer } from "./loader.ts";
import { BatchFiller } from "./training-batches.ts";

const port = required(parentPort, "the port to the main thread");
const { plan, slots }: LoaderSetup = workerData;
const filler = new BatchFiller(plan);

async function fill({ slot, number, position }: SlotRequest): Promise<void> {
  const { images, labels, targets, inputs } = required(slots[slot], `slot ${slot}`);
  const unreadable = await filler.fill(position, images, labels, targets, inputs);
  const filled: FilledSlot = { slot, number, ...position, unreadable };
  port.postMessage({ filled } satisfies WorkerAnswer);
}

// Fill one batch at a time: a thread that worked on all its slots at once would finish the first batch last.
let last: Promise<void> = Promise.resolve();
port.on("message", (request: SlotRequest) => {
  last = last
    .then(() => fill(request))
    .catch((error: unknown) => {
      if (!(error instanceof UserError)) throw error;
      port.postMessage({ failure: toPortable(error) } satisfies WorkerAnswer);
    });
});

/** The thread behind `TrainingLoader`: each slot it is handed comes back filled with the next batch. */
import { parentPort, workerData } from "node:worker_threads";
import { required } from "../core/errors.ts";
import type { FilledSlot, LoaderSetup } from "./loader.ts";
import { BatchFiller } from "./training-batches.ts";

const port = required(parentPort, "the port to the main thread");
const { plan, start, slots }: LoaderSetup = workerData;
const filler = new BatchFiller(plan, start);

port.on("message", (slot: number) => {
  const { images, labels } = required(slots[slot], `slot ${slot}`);
  const filled: FilledSlot = { slot, ...filler.fill(images, labels) };
  port.postMessage(filled);
});

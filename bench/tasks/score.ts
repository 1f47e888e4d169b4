/** Scores a file on the real task: what ONNX Runtime makes of all held pictures. */
import { readFile } from "node:fs/promises";
import * as runtime from "onnxruntime-node";
import { tensor } from "../../src/core/tensor.ts";
import { evaluationBatches } from "../../src/data/evaluation-batches.ts";
import type { Score, Task } from "./task.ts";

/** The scores of the file at `path`, with everything that stands in it behind the network. */
export async function scoresOf(task: Task, path: string, threads: number): Promise<Readonly<Record<string, Score>>> {
  const session = await runtime.InferenceSession.create(await readFile(path), { intraOpNumThreads: threads });
  const [input = ""] = session.inputNames;
  const { held, normalization } = task;
  for await (const { images } of evaluationBatches(held, normalization, held.count)) {
    const values = new runtime.Tensor("float32", new Float32Array(images.data), images.shape);
    const results = await session.run({ [input]: values });
    await session.release();
    return task.scores(
      new Map(
        Object.entries(results).map(([name, { dims, data }]) => [
          name,
          tensor([...dims], Float32Array.from(data, Number)),
        ]),
      ),
    );
  }
  throw new Error(`${task.name} has no pictures to score`);
}

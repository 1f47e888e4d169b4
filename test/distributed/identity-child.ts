/** A rank of the tests: has two tensors; on rank 1, one bit of the second tensor differs. */
import { tensor } from "../../src/core/tensor.ts";
import { isReportedElsewhere } from "../../src/distributed/failure.ts";
import { joinCluster } from "../../src/distributed/join.ts";
import { requireIdentical } from "../../src/training/ranks/replica-check.ts";

const cluster = await joinCluster();
if (cluster.size === 1) throw new Error("launched alone");
const values = [tensor([2], Float32Array.of(1, 2)), tensor([2], Float32Array.of(3, 4))] as const;
await requireIdentical(cluster, new Map(values.map((value, index) => [`weights ${index}`, value])));
console.log("the same at first");
if (cluster.rank === 1) {
  const bits = new Uint32Array(values[1].data.buffer);
  bits[1] = (bits[1] ?? 0) ^ 1;
}
try {
  await requireIdentical(cluster, new Map(values.map((value, index) => [`weights ${index}`, value])));
} catch (error) {
  if (!isReportedElsewhere(error)) console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}

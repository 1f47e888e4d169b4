/** A rank of `bench:ranks` that times all-reduces of several sizes alone. Rank 0 prints latency and bandwidth. */
import { performance } from "node:perf_hooks";
import { joinCollectives } from "../../src/distributed/collectives.ts";
import { joinCluster } from "../../src/distributed/join.ts";
import type { SumCost } from "./rank-model.ts";

const SIZES = [16, 64, 256, 512, 1024, 4096].map((kibibytes) => kibibytes * 1024);
const RUNS = 15;

const cluster = await joinCluster();
if (cluster.collectives === undefined) throw new Error("start this script with mpirun");
const collectives = joinCollectives(cluster.collectives);
const times = SIZES.map((bytes) => {
  const memory = new Float32Array(new ArrayBuffer(bytes));
  const runs = Array.from({ length: RUNS }, () => {
    const start = performance.now();
    collectives.begin("sum", memory, memory.length);
    collectives.end("sum");
    return (performance.now() - start) / 1000;
  });
  return runs.toSorted((a, b) => a - b)[RUNS >> 1] ?? 0;
});
// Latency follows from small sizes and bandwidth from large ones. A least-squares fit would depend only on the largest.
const [small = 0] = times;
const large = times.at(-1) ?? 0;
const bytesPerSecond = ((SIZES.at(-1) ?? 0) - (SIZES[0] ?? 0)) / Math.max(1e-9, large - small);
const cost: SumCost = { latencySeconds: Math.max(0, small - (SIZES[0] ?? 0) / bytesPerSecond), bytesPerSecond };
if (cluster.isFirst) console.log(JSON.stringify(cost));

/**
 * One training step of ours in a process of its own: prints how long preparing took and the peak of the process's
 * memory. Runs the built package, as a user's process does, with the engine in its thread.
 *
 *     node bench/peers/espalier.mjs <model> <batch> <precision> <threads> <steps> <kernel cache>
 */
import { readFileSync } from "node:fs";
import { EngineHost } from "../../dist/engine/host.js";
import { randomStep } from "../../dist/evaluation/step-time.js";
import { initialize } from "../../dist/models/initialize.js";
import { model } from "../../dist/models/zoo.js";

const [name, batchText, precision, threads, steps, cacheFolder] = process.argv.slice(2);
const batch = Number(batchText);
const graph = model(name);
const host = await EngineHost.start({ engine: "onednn", threads: Number(threads), cacheFolder });
const step = randomStep({ network: { graph, weights: initialize(graph, 1) }, factors: [] }, batch);
const start = performance.now();
const plan = await host.prepare(step.graph, { batch, precision });
const prepareMilliseconds = performance.now() - start;
await plan.write(step.weights);
for (let count = 0; count < Number(steps); count++) await plan.run(step.feeds);
await plan.dispose();
await host.dispose();

/** VmHWM of Linux: the most the process ever had in memory, in kB. */
const [, peak] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"));
console.log(JSON.stringify({ prepareMilliseconds, peakBytes: 1024 * Number(peak) }));

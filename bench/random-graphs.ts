/**
 * `npm run bench:graphs [-- --graphs 10000 --seed 1 --from 0 --often Einsum,Attention]`: compares random ONNX graphs
 * with ONNX Runtime. Each graph must either be refused when it is read, or both engines must compute the same outputs,
 * also after it is written and after it is pruned, and each structure must save what it is said to save. Anything else
 * is a finding, and the exit code is 1. A graph is a function of (seed, number). `--often`: layers that are every
 * second node, by their names in `test/random-graphs/`. Prints counts, the reasons of refusals, and how often each op
 * was correct.
 */
import { parseArgs } from "node:util";
import { createOneDnnEngine } from "../src/engine/onednn/index.ts";
import { createReferenceEngine } from "../src/engine/reference/index.ts";
import { randomGraph } from "../test/random-graphs/graph.ts";
import { judge } from "../test/random-graphs/judge.ts";
import { count } from "./shared/options.ts";

const { values } = parseArgs({
  options: {
    graphs: { type: "string", default: "10000" },
    seed: { type: "string", default: "1" },
    from: { type: "string", default: "0" },
    often: { type: "string", default: "" },
  },
});
const graphs = count(values.graphs, "graphs");
const seed = count(values.seed, "seed");
const from = Number(values.from);
/** Each second node is one of these. */
const often = values.often === "" ? [] : values.often.split(",");

/** The progress is printed after this many graphs. */
const REPORTED_EVERY = 500;
const REASONS = 25;

const engines = [createReferenceEngine(), createOneDnnEngine({ threads: 1 })];
const found = { right: 0, refused: 0, wrong: 0 };
const reasons = new Map<string, number>();
const ops = new Map<string, number>();

function addTo(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** `message` without names and numbers. */
function kindOf(message: string): string {
  return message.replace(/"[^"]*"/g, '""').replace(/-?\d+(\.\d+)?/g, "#");
}

for (let number = from; number < from + graphs; number++) {
  if ((number - from) % REPORTED_EVERY === 0) console.error(`graph ${number}`);
  const graph = await randomGraph(seed, number, often);
  if (graph === undefined) continue;
  const verdict = await judge(graph, engines);
  found[verdict.kind]++;
  if (verdict.kind === "right") for (const op of new Set(graph.ops)) addTo(ops, op);
  if (verdict.kind === "refused") addTo(reasons, kindOf(verdict.reason));
  if (verdict.kind === "wrong") {
    console.log(`✗ seed ${seed}, graph ${number} (${graph.ops.join(", ")}): ${verdict.what}`);
  }
}

const none = graphs - found.right - found.refused - found.wrong;
console.log(`${found.right} right, ${found.refused} refused, ${found.wrong} wrong; ${none} without a node`);
console.log(
  "\nright with:",
  [...ops]
    .toSorted()
    .map(([op, times]) => `${op} ${times}`)
    .join(", "),
);
console.log(`\n${reasons.size} reasons of refusals, the most frequent ones:`);
for (const [reason, times] of [...reasons].toSorted((a, b) => b[1] - a[1]).slice(0, REASONS))
  console.log(times, reason);
process.exitCode = found.wrong === 0 ? 0 : 1;

/**
 * One training step of a network, with scaling factors and without, against its PyTorch twin (`peers/step.py`), the
 * rounds of all of them interleaved in one run.
 *
 *     npm run bench -- [--model resnet-20] [--batch 128] [--rounds 12] [--runs 3] [--threads 2]
 *         [--precision f32|bf16] [--json] [--explain]
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import Table from "cli-table3";
import { z } from "zod";
import { type Feeds, type Plan, precisions } from "../src/engine/engine.ts";
import { createOneDnnEngine } from "../src/engine/onednn/index.ts";
import { randomStep } from "../src/evaluation/step-time.ts";
import { cost } from "../src/graph/cost.ts";
import { initialize } from "../src/models/initialize.ts";
import { model } from "../src/models/zoo.ts";
import { type Placement, place } from "../src/selection/place.ts";
import { Peer } from "./peer.ts";
import { spreadOf } from "./statistics.ts";

const { values: options } = parseArgs({
  options: {
    model: { type: "string", default: "resnet-20" },
    batch: { type: "string", default: "128" },
    rounds: { type: "string", default: "12" },
    runs: { type: "string", default: "3" },
    precision: { type: "string", default: "f32" },
    threads: { type: "string", default: `${availableParallelism()}` },
    json: { type: "boolean", default: false },
    explain: { type: "boolean", default: false },
  },
});
const [batch, rounds, runs, threads] = [options.batch, options.rounds, options.runs, options.threads].map(Number) as [
  number,
  number,
  number,
  number,
];

const precision = z.enum(precisions).parse(options.precision);

interface Subject {
  readonly name: string;
  readonly milliseconds: number[];
  round(): Promise<readonly number[]>;
}

const engine = createOneDnnEngine({ threads });

function prepare({ graph, factors }: Placement): { plan: Plan; feeds: Feeds } {
  const step = randomStep({ network: { graph, weights: initialize(graph, 1) }, factors }, batch);
  const plan = engine.prepare(step.graph, { batch, precision });
  plan.write(step.weights);
  return { plan, feeds: step.feeds };
}

function ours(name: string, placement: Placement): Subject & { plan: Plan; feeds: Feeds } {
  const { plan, feeds } = prepare(placement);
  const round = async (): Promise<readonly number[]> =>
    Array.from({ length: runs }, () => {
      const start = performance.now();
      plan.run(feeds);
      return performance.now() - start;
    });
  return { name, milliseconds: [], round, plan, feeds };
}

const plain = model(options.model);
const placed = place(plain, { neurons: 1e-3 });
// No layer holds its last factor back, so that figures stay comparable from version to version.
const free = placed.factors.map((factor) => ({ ...factor, keepLast: false }));
const subjects: (Subject & { plan?: Plan; feeds?: Feeds })[] = [
  ours("Espalier", { graph: plain, factors: [] }),
  ours("Espalier, with factors", { graph: placed.graph, factors: free }),
];
const [own] = subjects;

const timings = z.object({ milliseconds: z.array(z.number()) });
const peer = await Peer.start("step.py", [options.model, `${batch}`, `${threads}`, precision]);
let peerVersion: string | undefined;
if (peer === undefined) {
  console.error("Skipped the comparison: this Python has no torch. Name another with ESPALIER_PYTHON.");
} else {
  const hello = await peer.read(z.object({ versions: z.string(), parameters: z.number(), macs: z.number() }));
  peerVersion = hello.versions;
  const { parameters, macs } = cost(plain);
  if (hello.parameters !== parameters || hello.macs !== macs) {
    throw new Error(
      `the peer's ${options.model} is another network: ${hello.parameters} parameters and ${hello.macs} MACs, ` +
        `${parameters} and ${macs} here`,
    );
  }
  for (const layout of ["contiguous", "channels_last"]) {
    const round = async () => (await peer.ask({ layout, runs }, timings)).milliseconds;
    subjects.push({ name: `PyTorch, ${layout}`, milliseconds: [], round });
  }
}

for (const { round } of subjects) await round();
for (let round = 0; round < rounds; round++) {
  for (const subject of subjects) subject.milliseconds.push(...(await subject.round()));
}
peer?.stop();

const spreads = subjects.map(({ name, milliseconds }) => ({ name, ...spreadOf(milliseconds) }));
const best = Math.min(...spreads.filter(({ name }) => name.startsWith("PyTorch")).map(({ median }) => median));
const steps = own?.plan?.explain(own.feeds ?? {}, 5) ?? [];
const total = steps.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
const inPrimitives = steps
  .filter(({ implementation }) => implementation !== "host")
  .reduce((sum, { milliseconds }) => sum + milliseconds, 0);
const outsideShare = 1 - inPrimitives / total;

if (options.json) {
  const rows = spreads.map((row) => ({ ...row, imagesPerSecond: (1000 * batch) / row.median }));
  console.log(JSON.stringify({ ...options, engine: engine.description, peer: peerVersion, outsideShare, rows }));
} else {
  console.log(`One training step of ${options.model}, batch ${batch}, ${precision}, ${threads} threads`);
  console.log(`${engine.description["library"]}, Node ${process.versions.node}, ${peerVersion ?? "no peer"}`);
  const table = new Table({
    style: { head: [], border: [] },
    head: ["", "median ms", "min … max", "runs", "images/s", "times the peer's best"],
  });
  for (const { name, median, minimum, maximum, runs: count } of spreads)
    table.push(row(name, median, minimum, maximum, count));
  console.log(table.toString());
  console.log(`Outside oneDNN's primitives: ${(100 * outsideShare).toFixed(1)} % of the step`);
}

function row(name: string, median: number, minimum: number, maximum: number, count: number): string[] {
  const ratio = Number.isFinite(best) ? (best / median).toFixed(2) : "–";
  const range = `${minimum.toFixed(1)} … ${maximum.toFixed(1)}`;
  return [name, median.toFixed(1), range, `${count}`, ((1000 * batch) / median).toFixed(0), ratio];
}

if (options.explain) {
  for (const { node, op, implementation, milliseconds, gigaflops } of steps) {
    const columns = [milliseconds.toFixed(3).padStart(8), `${((100 * milliseconds) / total).toFixed(1)} %`.padStart(7)];
    console.log([...columns, gigaflops.toFixed(0).padStart(5), op, node, implementation].join("  "));
  }
}
for (const { plan } of subjects) plan?.dispose();

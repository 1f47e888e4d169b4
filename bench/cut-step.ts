/**
 * Measures how much faster training steps are after pruning. Structures are removed at random, evenly over the layers,
 * until a share of the MACs is left: with arbitrary widths, and with multiples of 8 and 16, which fill a vector. All
 * steps of a network are timed in turns.
 *
 *     npm run bench:cut -- [--model vgg-16] [--share 0.5] [--kinds neurons,streams] [--batch 64] [--precision f32]
 *         [--rounds 6] [--runs 3] [--seed 1] [--threads 2] [--json | --markdown]
 */
import { parseArgs } from "node:util";
import { required } from "../src/core/errors.ts";
import { createOneDnnEngine } from "../src/engine/onednn/index.ts";
import { type Selection, selectionKeys } from "../src/selection/factors.ts";
import { casesOf } from "./shared/cases.ts";
import { interleave } from "./shared/interleave.ts";
import { plainSubject } from "./shared/networks.ts";
import { count, precisionOf, threadOptions } from "./shared/options.ts";
import { OurStep } from "./shared/our-step.ts";
import { machineConditions, milliseconds, outputOptions, percent, print, type Section } from "./shared/output.ts";
import { type RandomCut, randomCut } from "./shared/random-cut.ts";
import { type Spread, spreadOf } from "./shared/statistics.ts";
import { inTemporaryFolder } from "./shared/temporary.ts";

const MODELS = ["vgg-16", "resnet-20"] as const;
const ROUNDS = [1, 8, 16] as const;

const { values: options } = parseArgs({
  options: {
    model: { type: "string" },
    share: { type: "string", default: "0.5" },
    kinds: { type: "string", default: "neurons" },
    batch: { type: "string" },
    precision: { type: "string", default: "f32" },
    rounds: { type: "string", default: "6" },
    runs: { type: "string", default: "3" },
    seed: { type: "string", default: "1" },
    ...threadOptions,
    ...outputOptions,
  },
});
const precision = precisionOf(options.precision);
const turns = { rounds: count(options.rounds, "rounds"), runs: count(options.runs, "runs") };
const share = Number(options.share);
if (!(share > 0 && share < 1)) throw new Error(`--share must be between 0 and 1, not "${options.share}"`);
const kinds = options.kinds.split(",").map((kind): keyof Selection => {
  const known = Object.values(selectionKeys).find((key) => key === kind);
  if (known === undefined) throw new Error(`--kinds must be some of ${Object.values(selectionKeys).join(", ")}`);
  return known;
});

interface Measured extends Spread {
  readonly widths: string;
  readonly shareOfMacs: number;
  readonly shareOfTime: number;
}

interface MeasuredModel {
  readonly model: string;
  readonly batch: number;
  readonly rows: readonly Measured[];
}

const engineSettings = { threads: count(options.threads, "threads") };

async function measure(model: string, cacheFolder: string): Promise<MeasuredModel> {
  const engine = createOneDnnEngine({ ...engineSettings, cacheFolder });
  const batch =
    options.batch === undefined
      ? required(casesOf({ model, batch: undefined, precision })[0], `a case of ${model}`).batch
      : count(options.batch, "batch");
  const whole = plainSubject(model);
  const cuts = ROUNDS.map((round) => {
    const cut = randomCut(model, { share, kinds, round, seed: count(options.seed, "seed") });
    return { widths: round === 1 ? "cut, any widths" : `cut, multiples of ${round}`, ...cut };
  });
  const networks: readonly (RandomCut & { readonly widths: string })[] = [
    { widths: "whole", network: whole.network, shareOfMacs: 1 },
    ...cuts,
  ];
  const steps = networks.map(
    ({ widths, network }) => new OurStep(widths, engine, { network, factors: [] }, batch, precision),
  );
  const spreads = (await interleave(steps, turns)).map(spreadOf);
  for (const step of steps) step.dispose();
  const wholeTime = required(spreads[0], "time of the whole network").median;
  const rows = networks.map(({ widths, shareOfMacs }, index) => {
    const spread = required(spreads[index], `times of ${widths}`);
    return { widths, shareOfMacs, shareOfTime: spread.median / wholeTime, ...spread };
  });
  return { model, batch, rows };
}

function sectionOf({ model, batch, rows }: MeasuredModel): Section {
  return {
    title: `${model}, batch ${batch}, ${precision}: a step after a random cut of ${kinds.join(" and ")}`,
    head: [
      "",
      "MACs left",
      "median ms (minimum … maximum)",
      "runs",
      "time, of the whole network's",
      "time per MAC, of the whole network's",
    ],
    rows: rows.map(({ widths, shareOfMacs, shareOfTime, median, minimum, maximum, runs }) => [
      ...[widths, percent(shareOfMacs)],
      `${milliseconds(median)} (${milliseconds(minimum)} … ${milliseconds(maximum)})`,
      ...[`${runs}`, percent(shareOfTime), (shareOfTime / shareOfMacs).toFixed(2)],
    ]),
    notes: ["Target: a VGG-16 cut to half its MACs takes at most 60 % of the time it had."],
  };
}

await inTemporaryFolder(async (cacheFolder) => {
  const models = options.model === undefined ? MODELS : [options.model];
  const measured: MeasuredModel[] = [];
  for (const model of models) {
    console.error(`… ${model}`);
    measured.push(await measure(model, cacheFolder));
  }
  const { description } = createOneDnnEngine(engineSettings);
  print(
    {
      conditions: machineConditions("bench:cut", [description["library"] ?? "", `${options.threads} threads`]),
      sections: measured.map(sectionOf),
      data: { measured },
    },
    options,
  );
});

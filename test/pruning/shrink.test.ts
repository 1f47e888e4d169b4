/** Cutting while training against training without the cut: random networks, random cuts, step by step. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { trainingGraph } from "../../src/autodiff/training-graph.ts";
import { required } from "../../src/core/errors.ts";
import { RandomStream } from "../../src/core/random.ts";
import { filled, type Tensor, tensor } from "../../src/core/tensor.ts";
import type { Feeds } from "../../src/engine/engine.ts";
import { createReferenceEngine } from "../../src/engine/reference/index.ts";
import { cost } from "../../src/graph/cost.ts";
import type { Network, Weights } from "../../src/graph/graph.ts";
import { bindBatch, inferShapes } from "../../src/graph/shapes.ts";
import { model } from "../../src/models/zoo.ts";
import type { CutStep } from "../../src/pruning/cut-list.ts";
import {
  findShrinking,
  narrow,
  narrowFactors,
  type Shrinking,
  structuresLeft,
  widen,
} from "../../src/pruning/shrink.ts";
import {
  type Factor,
  factorsOf,
  gammaFeeds,
  gammasOf,
  keptFactors,
  selectionKeys,
} from "../../src/selection/factors.ts";
import { fold } from "../../src/selection/fold.ts";
import { place, structureKinds } from "../../src/selection/place.ts";
import { labels, spread } from "../engine/random-data.ts";
import { buildNetwork, heads, outputDifference, piece, randomWeights, zeroFactors } from "./networks.ts";

const BATCH = 4;
const engine = createReferenceEngine();

interface Trained {
  readonly losses: readonly number[];
  readonly state: Weights;
}

/** `count` steps of `network` with `velocities` (default: none yet). */
function train({ graph, weights }: Network, factors: readonly Factor[], count: number, velocities?: Weights): Trained {
  const step = trainingGraph(fold(graph), {
    batch: BATCH,
    sgd: { momentum: 0.9, weightDecay: 0.01 },
    factors: { momentum: 0.9, ...keptFactors(factors) },
  });
  const plan = engine.prepare(step, { batch: BATCH });
  const own = new Set(step.parameters.map(({ name }) => name));
  plan.write(new Map([...weights, ...(velocities ?? [])].filter(([name]) => own.has(name))));
  const losses = Array.from({ length: count }, (_, index) => {
    const images = Object.fromEntries(
      graph.inputs.map(({ name, shape }) => [name, spread(bindBatch(shape, BATCH), index, name)]),
    );
    const feeds: Feeds = {
      ...images,
      labels: labels(BATCH, 4, index),
      learning_rate: filled([], 0.02),
      ...gammaFeeds(gammasOf(factors)),
    };
    return plan.run(feeds)["loss"]?.data[0] ?? Number.NaN;
  });
  return { losses, state: plan.read(step.parameters.map(({ name }) => name)) };
}

/** `values` after `steps`, of the parameters and states that `left` has. */
function narrowed(values: Weights, steps: readonly CutStep[], left: Weights): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  for (const [name, value] of values) {
    const parameter = left.has(name) ? name : name.slice(0, name.lastIndexOf("."));
    if (left.has(parameter)) found.set(name, narrow(value, steps, parameter));
  }
  return found;
}

/** Structures of `factors` that die, by parameter; γ so large that they stay dead. */
function dying(factors: readonly Factor[], share: number, seed: number): Map<string, Uint8Array> {
  const random = new RandomStream(seed, "dying");
  return new Map(
    factors.map(({ parameter, count, keepLast }) => {
      const marks = Uint8Array.from({ length: count }, () => (random.uniform() < share ? 1 : 0));
      if (keepLast) marks[count >> 1] = 0;
      return [parameter, marks] as const;
    }),
  );
}

function killed(network: Network, held: ReadonlyMap<string, Uint8Array>): Network {
  const indices = [...held].map(
    ([name, marks]) => [name, [...marks].flatMap((is, index) => (is ? index : []))] as const,
  );
  return zeroFactors(network, Object.fromEntries(indices));
}

/**
 * `network` after so many steps that batch norms of what is constantly zero have running means of zero; here, all have.
 */
function forgetting({ graph, weights }: Network): Network {
  const means = graph.parameters.filter(({ kind }) => kind === "running_mean");
  return { graph, weights: new Map([...weights, ...means.map(({ name, shape }) => [name, tensor(shape)] as const)]) };
}

function largestDifference(a: Weights, b: Weights): number {
  let largest = 0;
  for (const [name, { data }] of a) {
    const other = required(b.get(name), name).data;
    expect(other.length, name).toBe(data.length);
    data.forEach((value, index) => {
      largest = Math.max(largest, Math.abs(value - (other[index] ?? Number.NaN)) / Math.max(1, Math.abs(value)));
    });
  }
  return largest;
}

/** Whether some image still makes a difference: a layer on the only path may have lost all that matters of it. */
function isDead(
  { steps, network }: Shrinking,
  factors: readonly Factor[],
  held: ReadonlyMap<string, Uint8Array>,
): boolean {
  return factors.some((factor) => {
    const left = structuresLeft(factor, steps, network.weights);
    return factor.keepLast && left.every((index) => held.get(factor.parameter)?.[index] === 1);
  });
}

interface Compared {
  readonly shrinking: Shrinking;
  readonly whole: Trained;
  readonly small: Trained;
  readonly factors: readonly Factor[];
}

/** Trains `network`, kills, and goes on for some steps with the whole network and with what is left of it. */
function compare(network: Network, share: number, seed: number, forgotten: boolean): Compared {
  const held = dying(factorsOf(network.graph), share, seed);
  const factors = factorsOf(network.graph).map((factor): Factor => {
    const marks = required(held.get(factor.parameter), factor.parameter);
    return { ...factor, gamma: 1, gammaScale: Array.from(marks, (is) => (is === 1 ? 1e4 : 0.01)) };
  });
  const before = train(network, factors, 2).state;
  const trained = {
    graph: network.graph,
    weights: new Map([...network.weights.keys()].map((name) => [name, required(before.get(name), name)])),
  };
  const start = killed(forgotten ? forgetting(trained) : trained, held);
  // A factor that came to zero has the velocity that took it there.
  const velocities = new Map([...before].filter(([name]) => !start.weights.has(name)));
  for (const { parameter, count } of factors) {
    const { data } = required(before.get(`${parameter}.velocity`), parameter);
    const marks = required(held.get(parameter), parameter);
    velocities.set(
      `${parameter}.velocity`,
      tensor(
        [count],
        data.map((value, index) => (marks[index] === 1 ? -0.1 : value)),
      ),
    );
  }
  const shrinking = findShrinking(start, held);
  fc.pre(!isDead(shrinking, factors, held));
  const { steps, network: left } = shrinking;
  const whole = train(start, factors, 4, velocities);
  const small = train(left, narrowFactors(factors, steps, left.weights), 4, narrowed(velocities, steps, left.weights));
  return { shrinking, whole, small, factors };
}

const networks = fc.record({
  pieces: fc.array(piece, { maxLength: 4 }),
  head: fc.constantFrom(...heads),
  hidden: fc.constantFrom(0, 5),
  share: fc.constantFrom(0.2, 0.5, 0.8, 1),
  forgotten: fc.boolean(),
  seed: fc.integer({ min: 0, max: 0xffffffff }),
});

/** ResNet-20 whose second block has lost all its neurons, and nothing else. */
function withDeadBranch(): { readonly network: Network; readonly held: ReadonlyMap<string, Uint8Array> } {
  const { graph } = place(model("resnet-20", { classes: 4 }), { neurons: 1, blocks: 1 });
  const held = new Map(
    factorsOf(graph).map(({ parameter, kind, layer, count }) => [
      parameter,
      new Uint8Array(count).fill(kind === "neuron" && layer === "stage1.block2.conv1" ? 1 : 0),
    ]),
  );
  return { network: killed({ graph, weights: randomWeights(graph, 5) }, held), held };
}

describe("a branch whose neurons have all died", () => {
  test("is left out but for its shift and its factor, once its running mean has faded", () => {
    const { network, held } = withDeadBranch();
    const { network: left, steps } = findShrinking(forgetting(network), held);
    expect(steps.map(({ kind }) => kind)).toContain("constant");
    const block = left.graph.nodes.filter(({ name }) => name.startsWith("stage1.block2."));
    expect(block.map(({ op }) => op)).toEqual(["scale", "bias", "relu"]);
    expect(outputDifference(forgetting(network), left)).toBeLessThan(1e-5);
    const kept = new Set(left.graph.parameters.map(({ name }) => name));
    const gone = network.graph.parameters.filter(({ name }) => !kept.has(name));
    expect(gone.every(({ name }) => name.startsWith("stage1.block2."))).toBe(true);
    expect(cost(network.graph).macs - cost(left.graph).macs).toBe(2 * 9 * 16 * 16 * 32 * 32);
  });

  test("keeps one neuron until then", () => {
    const { network, held } = withDeadBranch();
    const { network: left, steps } = findShrinking(network, held);
    expect(steps.map(({ kind }) => kind)).toEqual(["slice"]);
    expect(left.weights.get("stage1.block2.conv1.weights")?.shape[0]).toBe(1);
  });
});

/** Residual blocks whose neurons often all die while the block lives. */
const thinBlocks = fc.record({
  pieces: fc.array(
    fc.record({
      kind: fc.constant("residual" as const),
      width: fc.constantFrom(1, 2),
      shortcut: fc.constantFrom("identity" as const, "convolution" as const, "A" as const),
      norm: fc.constant(true),
      depth: fc.constantFrom(1 as const, 2 as const),
    }),
    { minLength: 1, maxLength: 4 },
  ),
  head: fc.constantFrom(...heads),
  hidden: fc.constantFrom(0, 5),
  share: fc.constantFrom(0.5, 0.8),
  forgotten: fc.constant(true),
  seed: fc.integer({ min: 0, max: 0xffffffff }),
});

describe("cutting random networks while they train", () => {
  test.each([
    { name: "of all kinds", of: networks, leastConstants: 0 },
    { name: "of thin residual blocks", of: thinBlocks, leastConstants: 10 },
  ])(
    "$name: losses, weights, statistics, factors and velocities of what is left are those without",
    ({ of, leastConstants }) => {
      let cuts = 0;
      let constants = 0;
      fc.assert(
        fc.property(of, ({ pieces, head, hidden, share, seed, forgotten }) => {
          const plain = buildNetwork(pieces, head, hidden);
          const select = Object.fromEntries(structureKinds(plain).map((kind) => [selectionKeys[kind], 1]));
          const { graph } = place(plain, select);
          const random = { graph, weights: randomWeights(graph, seed) };
          const { shrinking, whole, small } = compare(random, share, seed, forgotten);
          const { network, steps } = shrinking;
          inferShapes(network.graph, BATCH);
          expect(cost(network.graph).macs).toBeLessThanOrEqual(cost(graph).macs);
          if (steps.length > 0) cuts++;
          if (steps.some(({ kind }) => kind === "constant")) constants++;
          for (const [index, loss] of whole.losses.entries()) {
            expect(Math.abs((small.losses[index] ?? Number.NaN) - loss)).toBeLessThanOrEqual(1e-6 * Math.max(1, loss));
          }
          expect(largestDifference(small.state, narrowed(whole.state, steps, network.weights))).toBeLessThan(1e-5);
        }),
        { numRuns: 60 },
      );
      expect(cuts).toBeGreaterThan(20);
      expect(constants).toBeGreaterThanOrEqual(leastConstants);
    },
  );

  test("widening the smaller network's weights gives a whole network with the same outputs", () => {
    fc.assert(
      fc.property(networks, ({ pieces, head, hidden, share, seed, forgotten }) => {
        const plain = buildNetwork(pieces, head, hidden);
        const select = Object.fromEntries(structureKinds(plain).map((kind) => [selectionKeys[kind], 1]));
        const { graph } = place(plain, select);
        const held = dying(factorsOf(graph), share, seed);
        const random = { graph, weights: randomWeights(graph, seed) };
        const whole = killed(forgotten ? forgetting(random) : random, held);
        const shrinking = findShrinking(whole, held);
        const { network, steps } = shrinking;
        fc.pre(!isDead(shrinking, factorsOf(graph), held));
        for (const [name, value] of whole.weights) {
          const left = network.weights.get(name);
          if (left === undefined) continue;
          expect(narrow(value, steps, name)).toEqual(left);
          expect(widen(left, steps, name, value)).toEqual(value);
        }
        expect(outputDifference(whole, network)).toBeLessThan(1e-5);
      }),
      { numRuns: 60 },
    );
  });
});

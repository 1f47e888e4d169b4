/** Events of an imagined run, the same on every call, for tests of what reads events. */
import { RandomStream } from "../../src/core/random.ts";
import { cost } from "../../src/graph/cost.ts";
import { resnet } from "../../src/models/resnet.ts";
import type {
  Communicated,
  LayerStructures,
  NetworkCost,
  PlacedFactor,
  RunEvent,
} from "../../src/training/events/events.ts";

const EPOCHS = 6;
const STEPS_PER_EPOCH = 390;

const graph = resnet({ depth: 20, classes: 10 });
const full: NetworkCost = cost(graph);

const factors: readonly PlacedFactor[] = graph.nodes.flatMap((node): PlacedFactor[] => {
  const layer = node.name;
  if (node.op === "add") return [{ parameter: `${layer}.block.factor`, layer, kind: "block", count: 1, gamma: 0.02 }];
  if (!node.name.endsWith("conv1")) return [];
  const count = node.name.startsWith("stage1") ? 16 : node.name.startsWith("stage2") ? 32 : 64;
  return [{ parameter: `${node.name}.neuron.factor`, layer: node.name, kind: "neuron", count, gamma: 0.0016 }];
});

const stamp = (step: number): { time: string; step: number; epoch: number } => ({
  time: new Date(Date.UTC(2026, 0, 2, 3, 4, 5) + step * 180).toISOString(),
  step,
  epoch: Math.floor(step / STEPS_PER_EPOCH) + 1,
});

/** Alive structures after `step`, layer by layer, and the events of those that reached zero on the way. */
function deaths(): { step: number; factor: PlacedFactor; index: number }[] {
  const random = new RandomStream(7, "deaths");
  return factors
    .flatMap((factor) => {
      const share =
        factor.kind === "block"
          ? /stage1.block2|stage2.block3/.test(factor.layer)
            ? 1
            : 0
          : 0.25 + 0.4 * random.uniform();
      return Array.from({ length: factor.count }, (_, index) => ({ factor, index, dies: random.uniform() < share }));
    })
    .filter(({ dies }) => dies)
    .map(({ factor, index }) => ({
      factor,
      index,
      step: Math.floor(STEPS_PER_EPOCH * (0.8 + 3 * random.uniform() ** 1.6)),
    }))
    .sort((a, b) => a.step - b.step);
}

/** The network shrinks after the third epoch. */
function shrinking(): RunEvent[] {
  const step = 3 * STEPS_PER_EPOCH;
  const [first] = factors;
  if (first === undefined) throw new Error("the network has no factors");
  const { layer, kind } = first;
  return [
    {
      type: "network.shrunk",
      ...stamp(step),
      epoch: 3,
      before: full,
      after: { macs: 30_000_000, parameters: 200_000 },
      stepsSaved: 305.4,
      stepsNeeded: 40,
      cuts: [
        { layer, kind, index: 0, margin: 0.0016 },
        { layer, kind, index: 3, margin: 0.00042 },
        { layer, kind, index: 5, margin: null },
      ],
      rebuildMilliseconds: 812,
      imagesPerSecond: 702.4,
    },
    {
      type: "shrink.measured",
      ...stamp(step + 21),
      epoch: 4,
      imagesPerSecond: { before: 702.4, after: 911.2 },
      steps: 20,
    },
  ];
}

/** Of an epoch that four ranks trained: the others waited for `last`, which was slow by 7 %. */
export function ranked(
  epoch: number,
  last: { readonly rank: number; readonly host: string },
  waitedMilliseconds: number,
): Communicated {
  return {
    type: "communication",
    ...{ ...stamp(epoch * STEPS_PER_EPOCH), epoch, ranks: 4, bytes: 1_100_000 },
    ...{ underWayMilliseconds: 12, exposedMilliseconds: 3, stepMilliseconds: 100 },
    slowest: { ...last, waitedMilliseconds, share: 0.07 },
  };
}

/** A finished run of ResNet-20 on CIFAR-10, six epochs, as its events. */
export function syntheticRun(): readonly RunEvent[] {
  const died = deaths();
  const alive = new Map(factors.map((factor) => [factor.parameter, factor.count]));
  const total = factors.reduce((sum, { count }) => sum + count, 0);
  const events: RunEvent[] = [
    {
      type: "run.started",
      ...stamp(0),
      epoch: 0,
      run: "synthetic",
      model: "resnet-20",
      dataset: { name: "cifar10", classes: 10, trainImages: 50_000, testImages: 10_000 },
      options: { epochs: EPOCHS, batch: 128, seed: 1, gamma: { neurons: 0.0016, blocks: 0.02 }, schedule: "one-cycle" },
      epochs: EPOCHS,
      stepsPerEpoch: STEPS_PER_EPOCH,
      totalSteps: EPOCHS * STEPS_PER_EPOCH,
      cost: full,
      factors,
      engine: { name: "onednn", version: "2.6.3", threads: "2" },
      environment: { espalier: "0.1.0", node: "20.17.0", platform: "linux x64" },
      resumedFrom: null,
    },
  ];
  const layers = (): LayerStructures[] =>
    factors.map(({ parameter, layer, kind, count }) => ({ layer, kind, count, alive: alive.get(parameter) ?? 0 }));
  const left = (): number => [...alive.values()].reduce((sum, count) => sum + count, 0);
  const macs = (): number => Math.round(full.macs * (0.25 + (0.75 * left()) / total));
  let next = 0;
  for (let step = 30; step <= EPOCHS * STEPS_PER_EPOCH; step += 30) {
    for (let death = died[next]; death !== undefined && death.step <= step; death = died[++next]) {
      const { factor, index } = death;
      alive.set(factor.parameter, (alive.get(factor.parameter) ?? 0) - 1);
      events.push({ type: "structure.zeroed", ...stamp(death.step), layer: factor.layer, kind: factor.kind, index });
    }
    const progress = step / (EPOCHS * STEPS_PER_EPOCH);
    const learningRate = progress < 0.2 ? progress : 0.25 * (1 - progress);
    const epoch = Math.ceil(step / STEPS_PER_EPOCH);
    events.push({
      type: "step",
      ...stamp(step),
      epoch,
      loss: 0.45 + 1.7 * Math.exp(-4 * progress),
      learningRate,
      imagesPerSecond: 700 + 180 * progress,
      waitMilliseconds: 0.2,
      waits: 1,
      blockedMilliseconds: 3.5,
      etaSeconds: (1 - progress) * 420,
      structures: { alive: left(), count: total },
      macs: macs(),
    });
    if (Math.ceil((step + 30) / STEPS_PER_EPOCH) > epoch) {
      events.push({
        type: "epoch",
        ...stamp(epoch * STEPS_PER_EPOCH),
        epoch,
        trainLoss: 0.45 + 1.7 * Math.exp(-4 * progress),
        trainAccuracy: 86 - 50 * Math.exp(-3.4 * progress),
        testAccuracy: 85 - 60 * Math.exp(-3 * progress),
        testImages: 10_000,
        imagesPerSecond: 702,
        seconds: 71,
        waitMilliseconds: 0.2,
        waits: 13,
        blockedMilliseconds: 12.4,
        learningRate,
        layers: layers(),
        factors: [],
        cost: { macs: macs(), parameters: Math.round((full.parameters * macs()) / full.macs) },
      });
    }
  }
  events.splice(events.findIndex(({ type, epoch }) => type === "epoch" && epoch === 3) + 1, 0, ...shrinking());
  const end = { ...stamp(EPOCHS * STEPS_PER_EPOCH), epoch: EPOCHS };
  const after = { macs: macs(), parameters: Math.round((full.parameters * macs()) / full.macs) };
  events.push(
    { type: "cut", ...end, before: full, after, layers: layers(), notes: ["stem.conv kept: it is on the only path"] },
    {
      type: "certificate",
      ...end,
      passed: true,
      images: 10_000,
      relativeDifference: 3.1e-7,
      agreeing: 10_000,
      runtime: { relativeDifference: 8.4e-7, agreeing: 10_000 },
      path: "certificate.json",
    },
    {
      type: "exported",
      ...end,
      files: [
        { role: "network", path: "network.onnx", bytes: 1_093_120 },
        { role: "compact", path: "compact.onnx", bytes: 612_400 },
      ],
    },
    {
      type: "latency",
      ...end,
      batch: 1,
      threads: 1,
      before: { median: 1.31, lowerQuartile: 1.27, upperQuartile: 1.52, runs: 50 },
      after: { median: 0.84, lowerQuartile: 0.8, upperQuartile: 0.97, runs: 50 },
    },
    {
      type: "run.finished",
      ...end,
      seconds: 441,
      steps: EPOCHS * STEPS_PER_EPOCH,
      waits: 78,
      waitedMilliseconds: 468,
      blockedMilliseconds: 12.4,
      testImages: 10_000,
      before: { accuracy: 82.7, ...full, bytes: 1_093_120, latencyMilliseconds: 1.31 },
      after: { accuracy: 82.7, ...after, bytes: 612_400, latencyMilliseconds: 0.84 },
    },
  );
  return events;
}

/** Weight decay of kinds, and the translation of airbench94's published numbers. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { stepNesterov } from "../../src/autodiff/nesterov.ts";
import { decayedKinds } from "../../src/autodiff/parameter-kinds.ts";
import { GraphBuilder } from "../../src/graph/builder.ts";
import { model } from "../../src/models/zoo.ts";
import { parseSettings } from "../../src/training/settings/settings.ts";
import { weightDecaysOf } from "../../src/training/settings/weight-decay.ts";
import { muonNotice } from "../../src/training/start/muon.ts";

test("by default weights and scales decay, biases and shifts do not", () => {
  const settings = parseSettings({ epochs: 1 });
  expect(weightDecaysOf(settings)).toEqual({
    convolution: 5e-4,
    linear: 5e-4,
    bias: 0,
    scale: 5e-4,
    shift: 0,
    muon: 5e-4,
  });
});

test("a multiple changes one kind", () => {
  const settings = parseSettings({ epochs: 1, weightDecay: 0.01, weightDecayOf: { shift: 0.5, linear: 0 } });
  expect(weightDecaysOf(settings)).toEqual({
    convolution: 0.01,
    linear: 0,
    bias: 0,
    scale: 0.01,
    shift: 0.005,
    muon: 0.01,
  });
});

test("a decoupled decay takes the same off at every peak and with every multiple of the learning rate", () => {
  fc.assert(
    fc.property(
      fc.double({ min: 1e-3, max: 10, noNaN: true }),
      fc.double({ min: 1e-2, max: 100, noNaN: true }),
      fc.constantFrom("one-cycle" as const, "triangular" as const),
      (peak, multiple, kind) => {
        const settings = parseSettings({
          epochs: 1,
          schedule: { kind, peak },
          weightDecay: 0.002,
          weightDecayOf: { shift: 1, bias: 1 },
          learningRateOf: { shift: multiple, linear: 1 / multiple },
          decoupledWeightDecay: true,
        });
        const decays = weightDecaysOf(settings);
        for (const one of decayedKinds) {
          const rate = peak * ({ shift: multiple, linear: 1 / multiple }[one as "shift" | "linear"] ?? 1);
          expect((rate * decays[one]) / 0.002).toBeCloseTo(1, 9);
        }
      },
    ),
  );
});

test("a network without convolutions that Muon trains says so", () => {
  const [one, muon] = [parseSettings({ epochs: 1 }), parseSettings({ epochs: 1, optimizer: "muon" })];
  const builder = new GraphBuilder("one convolution");
  const pooled = builder.globalAveragePooling(
    "pool",
    builder.convolution("conv", builder.input("images", ["N", 3, 8, 8]), { channels: 4, kernel: 3 }),
  );
  builder.output(builder.linear("fc", builder.flatten("flat", pooled), 2));
  expect(muonNotice(muon, builder.build())).toMatch(/SGD trains all weights/);
  expect(muonNotice(one, builder.build())).toBeUndefined();
  expect(muonNotice(muon, model("resnet-20"))).toBeUndefined();
});

/** `torch.optim.SGD(nesterov=True)` as its documentation defines it. */
function torchStep(
  state: { weight: number; buffer: number },
  gradient: number,
  { rate, decay, momentum }: { readonly rate: number; readonly decay: number; readonly momentum: number },
): void {
  const decayed = gradient + decay * state.weight;
  state.buffer = momentum * state.buffer + decayed;
  state.weight -= rate * (decayed + momentum * state.buffer);
}

test.each([
  ["weights", "convolution", 1],
  ["shifts of batch norms", "shift", 64],
] as const)(
  "a mean loss trains the %s as the published script does with a sum over 1,024 images",
  (_, kind, multiple) => {
    const momentum = 0.85;
    // The script's own numbers, and how it derives those of the optimizer.
    const scale = 1024 * (1 + 1 / (1 - momentum));
    const rate = (11.5 / scale) * multiple;
    const decay = (0.0153 * 1024) / scale / rate;
    const settings = parseSettings({
      epochs: 10,
      momentum,
      schedule: { kind: "triangular", peak: 1.5 },
      weightDecay: 0.0019957,
      decoupledWeightDecay: true,
      weightDecayOf: { shift: 1, bias: 1 },
      learningRateOf: { shift: 64 },
    });
    const theirs = { weight: 0.7, buffer: 0 };
    const ours = { weights: Float32Array.of(0.7), velocity: new Float32Array(1) };
    for (let step = 0; step < 20; step++) {
      // Small, so that decay matters as much.
      const mean = 1e-3 * Math.sin(step) * (1 + theirs.weight);
      const share = 1 - step / 25;
      torchStep(theirs, 1024 * mean, { rate: rate * share, decay, momentum });
      const learningRate = settings.schedule.peak * share * (settings.learningRateOf?.[kind as "shift"] ?? 1);
      stepNesterov(ours, Float32Array.of(mean), {
        learningRate,
        momentum,
        weightDecay: weightDecaysOf(settings)[kind],
      });
      expect(ours.weights[0]).toBeCloseTo(theirs.weight, 4);
    }
    expect(ours.weights[0]).not.toBeCloseTo(0.7, 1);
  },
);

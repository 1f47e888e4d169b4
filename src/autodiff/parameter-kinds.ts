/**
 * Kinds of trained parameters, for settings that differ between them: a multiple of the learning rate, and a weight
 * decay. A kind with a learning rate of its own reads an input of its own, so the engines know nothing of multiples.
 */
import { filled, type Tensor } from "../core/tensor.ts";
import type { Input, Parameter } from "../graph/graph.ts";

/**
 * Kinds that the optimizer of weights steps. Each has a weight decay; a λ, the kind `factor`, has none. The kind `muon`
 * is weights of convolutions that Muon trains; `convolution` is the others.
 */
export const decayedKinds = ["convolution", "linear", "bias", "scale", "shift", "muon"] as const;
export type DecayedKind = (typeof decayedKinds)[number];

export const trainedKinds = [...decayedKinds, "factor"] as const;
export type TrainedKind = (typeof trainedKinds)[number];

/** For some kinds: the multiple of the learning rate that they are trained with, above 0; 1 for the others. */
export type LearningRates = { readonly [K in TrainedKind]?: number };

/** The weight decay of each kind. */
export type WeightDecays = { readonly [K in DecayedKind]: number };

/** The kinds that decay unless the caller says otherwise, as multiples of the weight decay. */
export const usualDecays: WeightDecays = { convolution: 1, linear: 1, bias: 0, scale: 1, shift: 0, muon: 1 };

/** The kind of a parameter that is trained. Weights of two axes are those of a linear layer. */
export function trainedKindOf(
  { name, kind, shape }: Pick<Parameter, "name" | "kind" | "shape">,
  muon: ReadonlySet<string> = new Set(),
): TrainedKind {
  switch (kind) {
    case "weights":
      if (muon.has(name)) return "muon";
      return shape.length === 2 ? "linear" : "convolution";
    case "scale":
    case "shift":
    case "factor":
      return kind;
    default:
      return "bias";
  }
}

/** `weightDecay` for each kind; a number is that of the kinds that usually decay. */
export function decaysOf(weightDecay: number | WeightDecays): WeightDecays {
  if (typeof weightDecay !== "number") return weightDecay;
  const { convolution, linear, bias, scale, shift, muon } = usualDecays;
  return {
    convolution: weightDecay * convolution,
    linear: weightDecay * linear,
    bias: weightDecay * bias,
    scale: weightDecay * scale,
    shift: weightDecay * shift,
    muon: weightDecay * muon,
  };
}

const LEARNING_RATE: Input = { name: "learning_rate", dtype: "f32", shape: [] };
/** Of all parameters outside of the head, if there is one. */
const BODY_RATE: Input = { ...LEARNING_RATE, name: "body_learning_rate" };

export interface LearningRateOptions {
  readonly learningRates?: LearningRates;
  /** Names of the parameters with a schedule of their own; default: all parameters have the same. */
  readonly head?: readonly string[];
  /** Names of the weights that Muon trains; default: none. */
  readonly muonWeights?: ReadonlySet<string>;
}

/** The input that `parameter` reads its learning rate from. */
export function learningRateInput(
  parameter: Parameter,
  { learningRates = {}, head, muonWeights }: LearningRateOptions,
): Input {
  const part = head === undefined || head.includes(parameter.name) ? LEARNING_RATE : BODY_RATE;
  const kind = trainedKindOf(parameter, muonWeights);
  return (learningRates[kind] ?? 1) === 1 ? part : ofKind(part, kind);
}

function ofKind(part: Input, kind: TrainedKind): Input {
  return { ...part, name: `${part.name} of ${kind}` };
}

/** The inputs of learning rates of a graph that trains `parameters`, each once; the common ones are always there. */
export function learningRateInputs(parameters: readonly Parameter[], options: LearningRateOptions): readonly Input[] {
  const common = options.head === undefined ? [LEARNING_RATE] : [LEARNING_RATE, BODY_RATE];
  const all = [...common, ...parameters.map((parameter) => learningRateInput(parameter, options))];
  return [...new Map(all.map((input) => [input.name, input])).values()];
}

/** An input of a learning rate: whose, and which multiple of the schedule's. */
export interface LearningRateInput {
  readonly input: string;
  readonly part: "head" | "body";
  readonly multiple: number;
}

/** The inputs of learning rates among `inputs`. */
export function learningRatesOf(inputs: readonly Input[], rates: LearningRates): readonly LearningRateInput[] {
  const names = new Set(inputs.map(({ name }) => name));
  const parts = [
    ["head", LEARNING_RATE],
    ["body", BODY_RATE],
  ] as const;
  return parts
    .flatMap(([part, common]): LearningRateInput[] => [
      { input: common.name, part, multiple: 1 },
      ...trainedKinds.map((kind) => ({ input: ofKind(common, kind).name, part, multiple: rates[kind] ?? 1 })),
    ])
    .filter(({ input }) => names.has(input));
}

/** What is fed to `inputs` in a step with these learning rates. */
export function learningRateFeeds(
  inputs: readonly LearningRateInput[],
  rates: { readonly head: number; readonly body: number },
): Record<string, Tensor> {
  return Object.fromEntries(inputs.map(({ input, part, multiple }) => [input, filled([], rates[part] * multiple)]));
}

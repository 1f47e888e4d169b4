/**
 * The fields of the form for a new run, as data: the page draws them, the server checks them and writes them out as the command line
 * they stand for. Flags, defaults and settings are those of `espalier train`.
 */

/** A `switch` is on or off; what is not as it stands at first is said by its flag. */
export type FieldKind = "text" | "number" | "numbers" | "choice" | "switch";

export interface Field {
  readonly key: string;
  readonly label: string;
  readonly hint?: string;
  readonly kind: FieldKind;
  /** Of the command line; without one, it is the network, or the run's name. */
  readonly flag?: string;
  /** Where its value stands among the settings of a run, see `training/options.ts`; path with dots. */
  readonly setting?: string;
  /** What stands there at first; of a switch, "on". */
  readonly value?: string;
  /** Unless a recipe says it. */
  readonly isNeeded?: boolean;
  readonly choices?: readonly string[];
  /** Names to be proposed, which the server knows. */
  readonly list?: "models" | "datasets" | "recipes";
}

export interface FieldGroup {
  readonly title: string;
  /** Opened by those who look for it. */
  readonly isFolded?: boolean;
  readonly fields: readonly Field[];
}

const what: FieldGroup = {
  title: "What is trained",
  fields: [
    {
      key: "recipe",
      label: "recipe",
      hint: "says everything that is left empty; empty for none",
      kind: "text",
      flag: "--recipe",
      list: "recipes",
    },
    {
      key: "model",
      label: "network",
      hint: "a name, or an ONNX file of your own",
      kind: "text",
      value: "resnet-20",
      isNeeded: true,
      list: "models",
    },
    {
      key: "data",
      label: "data",
      hint: "cifar10, a folder, name:folder, a CSV or a Parquet file",
      kind: "text",
      flag: "--data",
      value: "cifar10",
      isNeeded: true,
      list: "datasets",
    },
    {
      key: "epochs",
      label: "epochs",
      hint: "passes over the training images",
      kind: "number",
      flag: "--epochs",
      setting: "epochs",
      value: "10",
      isNeeded: true,
    },
    { key: "name", label: "name of the run", hint: "default: network and data", kind: "text", setting: "name" },
    {
      key: "limit",
      label: "limit",
      hint: "use only the first training images",
      kind: "number",
      flag: "--limit",
      setting: "limit.train",
    },
    {
      key: "seed",
      label: "seed",
      hint: "of weights, order and augmentation; default 1",
      kind: "number",
      flag: "--seed",
      setting: "seed",
    },
  ],
};

const gamma = (kind: string, hint: string, value?: string): Field => ({
  key: `gamma-${kind}`,
  label: `γ of ${kind}`,
  hint,
  kind: "number",
  flag: `--gamma-${kind}`,
  setting: `select.${kind}`,
  ...(value === undefined ? {} : { value }),
});

const selection: FieldGroup = {
  title: "What is selected",
  fields: [
    {
      key: "budget",
      label: "budget",
      hint: "what is to be left, instead of a γ to guess: 50%, 50%-params, 20M-macs",
      kind: "text",
      flag: "--budget",
      setting: "budget",
    },
    {
      key: "budget-by",
      label: "budget met by",
      hint: "epochs; the rest is for the survivors",
      kind: "number",
      flag: "--budget-by",
      setting: "budgetBy",
    },
    gamma("neurons", "one factor an output channel; empty for none", "0.0016"),
    gamma("groups", "of grouped convolutions"),
    gamma("blocks", "one factor a residual branch"),
    gamma("streams", "one factor a channel of a residual stream"),
    {
      key: "gamma-after",
      label: "γ begins after",
      hint: "epochs without γ or budget; default 0",
      kind: "number",
      flag: "--gamma-after",
      setting: "gammaAfter",
    },
    {
      key: "gamma-by",
      label: "γ shared out by",
      hint: "what a structure costs",
      kind: "choice",
      flag: "--gamma-by",
      setting: "gammaBy",
      choices: ["none", "macs", "parameters"],
    },
    {
      key: "round",
      label: "widths at multiples of",
      hint: "default 1; auto: of what pays on this machine",
      kind: "text",
      flag: "--round",
      setting: "round",
    },
    {
      key: "patience",
      label: "patience",
      hint: "epochs at zero before a cut while training; default 1",
      kind: "number",
      flag: "--patience",
      setting: "shrink.patience",
    },
    { key: "shrink", label: "cut while training", kind: "switch", flag: "--no-shrink", setting: "shrink", value: "on" },
  ],
};

const steps: FieldGroup = {
  title: "How it is trained",
  fields: [
    {
      key: "batch",
      label: "batch",
      hint: "images a step; default 128",
      kind: "number",
      flag: "--batch",
      setting: "batch",
    },
    {
      key: "accumulate",
      label: "parts of a batch",
      hint: "worked through in turn, where it does not fit into memory; default 1",
      kind: "number",
      flag: "--accumulate",
      setting: "accumulate",
    },
    {
      key: "schedule",
      label: "schedule",
      hint: "of the learning rate; default one-cycle",
      kind: "choice",
      flag: "--schedule",
      setting: "schedule.kind",
      choices: ["one-cycle", "cosine", "step"],
    },
    {
      key: "learning-rate",
      label: "learning rate",
      hint: "its peak; default 0.2, 0.1 for step",
      kind: "number",
      flag: "--learning-rate",
      setting: "schedule.peak",
    },
    {
      key: "precision",
      label: "precision",
      hint: "of the training steps; default f32, auto: the one whose steps are shorter",
      kind: "choice",
      flag: "--precision",
      setting: "precision",
      choices: ["f32", "bf16", "auto"],
    },
    {
      key: "momentum",
      label: "momentum",
      hint: "default 0.9",
      kind: "number",
      flag: "--momentum",
      setting: "momentum",
    },
    {
      key: "weight-decay",
      label: "weight decay",
      hint: "default 0.0005",
      kind: "number",
      flag: "--weight-decay",
      setting: "weightDecay",
    },
    { key: "augment", label: "augment images", kind: "switch", flag: "--no-augment", setting: "augment", value: "on" },
  ],
};

const regularization: FieldGroup = {
  title: "Trained weights and regularization",
  isFolded: true,
  fields: [
    {
      key: "label-smoothing",
      label: "label smoothing",
      hint: "share of each label spread over all classes",
      kind: "number",
      flag: "--label-smoothing",
      setting: "labelSmoothing",
    },
    { key: "mixup", label: "mixup α", hint: "blend images in pairs, say 0.2", kind: "number", flag: "--mixup" },
    { key: "cutmix", label: "cutmix α", hint: "paste images into others, say 1", kind: "number", flag: "--cutmix" },
    {
      key: "clip",
      label: "clip",
      hint: "largest norm of the gradient",
      kind: "number",
      flag: "--clip",
      setting: "clipNorm",
    },
    {
      key: "distill",
      label: "distil α,T",
      hint: "learn from the file's own answers too, say 0.5,4",
      kind: "numbers",
      flag: "--distill",
    },
    {
      key: "freeze-bn",
      label: "keep the file's batch statistics",
      kind: "switch",
      flag: "--freeze-bn",
      setting: "freezeBatchNorm",
    },
    {
      key: "fix-bn-scale",
      label: "leave the scales of batch norms",
      kind: "switch",
      flag: "--fix-bn-scale",
      setting: "fixBatchNormScale",
    },
    {
      key: "from-scratch",
      label: "draw new weights for a file's network",
      kind: "switch",
      flag: "--from-scratch",
      setting: "fromScratch",
    },
  ],
};

const imageFiles: FieldGroup = {
  title: "Image files",
  isFolded: true,
  fields: [
    {
      key: "size",
      label: "size",
      hint: "224, or 192x256; default: what the network takes",
      kind: "text",
      flag: "--size",
    },
    { key: "mean", label: "mean", hint: "a number a channel, over pixels / 255", kind: "numbers", flag: "--mean" },
    { key: "std", label: "standard deviation", hint: "a number a channel", kind: "numbers", flag: "--std" },
    {
      key: "test-share",
      label: "share held out",
      hint: "of each class, where there is no test part; default 0.2",
      kind: "number",
      flag: "--test-share",
    },
    {
      key: "split-seed",
      label: "seed of the split",
      hint: "decides which those are; default 1",
      kind: "number",
      flag: "--split-seed",
    },
  ],
};

const place: FieldGroup = {
  title: "Where and with what",
  isFolded: true,
  fields: [
    {
      key: "engine",
      label: "engine",
      hint: "default onednn where it is installed; reference is slow",
      kind: "choice",
      flag: "--engine",
      setting: "engine",
      choices: ["onednn", "reference"],
    },
    {
      key: "threads",
      label: "threads",
      hint: "default: all cores",
      kind: "number",
      flag: "--threads",
      setting: "threads",
    },
    {
      key: "latency",
      label: "time the networks at the end",
      kind: "switch",
      flag: "--no-latency",
      setting: "latency",
      value: "on",
    },
  ],
};

export const fieldGroups: readonly FieldGroup[] = [what, selection, steps, regularization, imageFiles, place];

export const fields: readonly Field[] = fieldGroups.flatMap((group) => group.fields);

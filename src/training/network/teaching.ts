/**
 * Training without labels, on the original network's outputs: what each output is, how much it varies, and the original
 * to compare with.
 */

import { UserError } from "../../core/errors.ts";
import { unknownName } from "../../core/names.ts";
import { optional } from "../../core/optional.ts";
import type { Dataset } from "../../data/dataset.ts";
import { firstImages, type Split } from "../../data/dataset.ts";
import type { Cluster } from "../../distributed/cluster.ts";
import { type Agreement, AgreementSums, addAgreement } from "../../evaluation/agreement.ts";
import { type Classifier, engineClassifier, type Host } from "../../evaluation/classifier.ts";
import type { Network } from "../../graph/graph.ts";
import type { TaughtTerm } from "../../graph/ops.ts";
import { type GraphOutput, graphOutputs, withoutLastSoftmax } from "../../graph/taught-outputs.ts";
import { partOfSplit } from "../ranks/parts.ts";
import type { TeachSettings } from "../settings/teaching.ts";
import { classNamesOf } from "../start/head/class-names.ts";
import type { TaughtOutput } from "./taught-output.ts";

/** Images on which the variances of the outputs are measured. */
const MEASURED_IMAGES = 512;

export interface Teaching {
  readonly original: Network;
  readonly outputs: readonly GraphOutput[];
  readonly taught: readonly TaughtOutput[];
  readonly terms: readonly TaughtTerm[];
  /** The original, for batches of scoring. */
  readonly classifier: Classifier;
}

export interface TeachingStart {
  readonly settings: TeachSettings;
  readonly original: Network;
  readonly dataset: Dataset;
  readonly host: Host;
  readonly batch: number;
  /** What an earlier session has measured. */
  readonly known: readonly TaughtOutput[] | undefined;
}

/**
 * @throws UserError "unknown-name" if the settings name an output that the original does not have, "bad-option" if all
 * outputs have a weight of zero.
 */
export function requireOutputs({ weights, kinds }: TeachSettings, outputs: readonly string[]): void {
  for (const name of [...Object.keys(weights), ...Object.keys(kinds)]) {
    if (!outputs.includes(name)) throw unknownName("output", name, outputs);
  }
  if (outputs.some((name) => weights[name] !== 0)) return;
  throw new UserError("bad-option", "no output would be taught: all have a weight of zero", {
    about: 'option "outputWeights"',
    hint: "Give an output a weight above 0",
  });
}

/** Measures how much the outputs vary, and prepares the original for scoring. Throws the errors of `prepare`. */
export async function openTeaching(start: TeachingStart): Promise<Teaching> {
  const { settings, original, dataset, host, batch, known } = start;
  const { graph } = original;
  requireOutputs(settings, graph.outputs);
  const classes = classNamesOf(graph)?.length ?? (dataset.isUnlabelled === true ? undefined : dataset.classes.length);
  // What an output is does not change in a run, whatever this version would find.
  const kinds = Object.fromEntries((known ?? []).map(({ name, kind }) => [name, kind] as const));
  const outputs = graphOutputs(graph, { ...settings.kinds, ...kinds }, classes);
  const classifier = await engineClassifier(host, original, batch);
  const taught = known ?? (await measured(outputs, classifier, dataset));
  return { original, outputs, taught, terms: termsOf(start, outputs, taught), classifier };
}

async function measured(
  outputs: readonly GraphOutput[],
  classifier: Classifier,
  { train, normalization }: Dataset,
): Promise<readonly TaughtOutput[]> {
  const sums = new AgreementSums(outputs);
  const split: Split = firstImages(train, MEASURED_IMAGES);
  await addAgreement(sums, { own: classifier, taught: classifier }, split, normalization);
  return outputs.map(({ name, kind }, index) => {
    const variances = sums.variancesOf(index);
    const variance = meanOf(variances);
    return kind === "channels" ? { name, kind, variance, variances } : { name, kind, variance };
  });
}

function meanOf(numbers: readonly number[]): number {
  return numbers.reduce((sum, one) => sum + one, 0) / Math.max(1, numbers.length);
}

/** One term for each output of the graph without its last softmaxes. */
function termsOf(
  { settings, original }: TeachingStart,
  outputs: readonly GraphOutput[],
  taught: readonly TaughtOutput[],
): readonly TaughtTerm[] {
  const { graph } = original;
  const sources = graph.outputs.map((name) => withoutLastSoftmax({ ...graph, outputs: [name] }).outputs[0] ?? name);
  return withoutLastSoftmax(graph).outputs.map((name): TaughtTerm => {
    const index = sources.indexOf(name);
    const { name: output = name, kind = "values", variance = 1, variances } = taught[index] ?? {};
    const weight = settings.weights[output] ?? 1;
    if (kind === "logits") return { kind, weight, temperature: settings.temperature };
    // A constant output has nothing to explain: its square error counts as it is.
    const whole = variance > 0 ? variance : 1;
    if (kind === "values" || variances === undefined) return { kind: "values", weight, variance: whole };
    const { hasChannelsLast } = outputs[index] ?? {};
    const own = variances.map((one) => (one > 0 ? one : whole));
    return { kind, weight, variances: own, ...optional({ hasChannelsLast }) };
  });
}

/** The agreement of `own` with the original on `split`. Each rank computes a part of it. */
export async function sharedAgreement(
  { outputs, classifier }: Teaching,
  own: Classifier,
  split: Split,
  { normalization }: Dataset,
  cluster: Cluster,
): Promise<Agreement> {
  const part = partOfSplit(split, cluster);
  const sums = new AgreementSums(outputs);
  if (part.count > 0) await addAgreement(sums, { own, taught: classifier }, part, normalization);
  if (cluster.size === 1) return sums.result();
  return sums.result(await cluster.sum([...sums.numbers]), await cluster.gather(sums.ranges));
}

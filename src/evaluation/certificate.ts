/**
 * The certificate: the measured proof that cutting changed nothing. The trained network, with its factors, and the
 * compact network compute the same test images. Their logits and answers are compared in our engine, and with those of
 * a second engine (`witness.ts`) on the exported file, so that the proof does not depend on one engine.
 */

import { requireArguments } from "../core/arguments.ts";
import { InternalError, UserError } from "../core/errors.ts";
import { optional } from "../core/optional.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import { type Dataset, firstImages, type Split } from "../data/dataset.ts";
import { evaluationBatches } from "../data/evaluation-batches.ts";
import { digestOf } from "../data/files.ts";
import { loadOnnx } from "../formats/onnx/index.ts";
import type { Network } from "../graph/graph.ts";
import type { GraphOutput } from "../graph/taught-outputs.ts";
import { answersOf, type Classifier, engineClassifier, type Host } from "./classifier.ts";
import { compareLabelSets } from "./compare-label-sets.ts";
import { comparableImages, compareOutputs } from "./compare-outputs.ts";
import { type Comparison, compareLogits, rangeOf } from "./comparison.ts";
import { type Departure, type Example, engineActivations, firstDeparture } from "./first-divergence.ts";
import { inTwoClasses } from "./two-classes.ts";
import { findWitness, type Witness } from "./witness.ts";

/** Largest allowed |Δlogit|, relative to the range of the original's logits. */
export const certificateTolerance = 1e-3;
const defaultImages = 1000;

export interface CertificateOptions {
  /** The trained network, with its factors, and its file. */
  readonly original: Network;
  readonly originalFile: string;
  /** The network after the cut, and its exported file. */
  readonly compact: Network;
  readonly compactFile: string;
  /** Activation of the compact network → the channels of the original's activation that are left. */
  readonly kept: ReadonlyMap<string, readonly number[]>;
  readonly host: Host;
  readonly dataset: Dataset;
  /** Number of test images, from the first one on; default 1,000, or all if there are fewer. */
  readonly images?: number;
  /** Images in a batch; default 250. */
  readonly batch?: number;
  /**
   * Logits of the compact network for at least these images, if the caller has computed them already.
   */
  readonly compactLogits?: Tensor;
  /** Whether ONNX Runtime is the second engine; default: if it is installed. */
  readonly runtime?: boolean;
  /** The outputs of networks that are no classifiers; default: logits alone. */
  readonly outputs?: readonly GraphOutput[];
  /** Outputs above it are answers, of networks that answer with several labels; default: one class is the answer. */
  readonly threshold?: number;
}

/** The comparison of two networks that should give the same logits; plain JSON. */
export interface CertificateComparison extends Omit<Comparison, "worstImage"> {
  readonly original: string;
  readonly other: string;
  /** Number of test images compared: fewer than the certificate's if the second engine is slow. */
  readonly images: number;
  readonly passed: boolean;
  /** The first layer with different activations, if the comparison failed and there is such a layer. */
  readonly departure?: Departure;
}

/** The content of `certificate.json`; plain JSON. */
export interface Certificate {
  readonly version: 1;
  readonly passed: boolean;
  readonly tolerance: number;
  readonly dataset: string;
  /** Number of test images. */
  readonly images: number;
  /** Largest − smallest logit of the original. */
  readonly logitRange: number;
  readonly comparisons: readonly CertificateComparison[];
  readonly files: readonly { readonly name: "original" | "compact"; readonly path: string; readonly sha256: string }[];
  readonly engine: Readonly<Record<string, string>>;
  /** The second engine, which computed the exported file: "ONNX Runtime", or one of Espalier's engines. */
  readonly witness: string;
  /** Its version, if it was used. */
  readonly onnxRuntime?: string;
}

/**
 * Measures the certificate of a cut and returns it, whether the networks agree or not; `requireExact` throws if they do
 * not. Throws `UserError` if a file cannot be read or a network cannot run, "engine-missing" if ONNX Runtime is
 * requested and not installed.
 */
export async function certify(options: CertificateOptions): Promise<Certificate> {
  requireArguments("certify", { options: [options, "object"] });
  const { original, originalFile, compactFile: file, dataset, kept, images: count } = options;
  requireArguments("certify", {
    ...{ original: [original, "network"], originalFile: [originalFile, "text"], compact: [options.compact, "network"] },
    ...{ compactFile: [file, "text"], kept: [kept, "map"], host: [options.host, "engine"] },
    ...{ dataset: [dataset, "dataset"], images: [count, "whole number?"], batch: [options.batch, "whole number?"] },
    threshold: [options.threshold, "number?"],
  });
  const { compact, compactFile, host, runtime } = options;
  const asked = { compact, compactFile, engine: host.name, ...optional({ runtime }) };
  const witness = await findWitness(asked);
  try {
    return await certifyBeside(witness, options);
  } finally {
    await witness.dispose();
  }
}

async function certifyBeside(witness: Witness, options: CertificateOptions): Promise<Certificate> {
  const { original, compact, host, dataset, kept, images = defaultImages, batch = 250 } = options;
  const { outputs, threshold } = options;
  const split = firstImages(dataset.test, Math.min(images, outputs === undefined ? images : comparableImages(outputs)));
  const compare = (one: Tensor, other: Tensor): Comparison => {
    if (threshold !== undefined) return compareLabelSets(one, other, threshold);
    return outputs === undefined ? compareLogits(one, other) : compareOutputs(one, other, outputs);
  };
  // What a network answers with one number, two classes or something else, follows from its task.
  const read = async (opening: Promise<Classifier>): Promise<Classifier> =>
    outputs === undefined && threshold === undefined ? inTwoClasses(await opening, compact.graph) : opening;
  const measure = (classifier: Promise<Classifier>): Promise<Tensor> =>
    logitsAndDispose(read(classifier), split, dataset);
  const before = await measure(engineClassifier(host, original, batch));
  const { compactLogits } = options;
  const after =
    compactLogits === undefined
      ? await measure(engineClassifier(host, compact, batch))
      : firstRows(compactLogits, before.shape[0] ?? 0);
  const fewer = firstImages(split, Math.min(split.count, witness.images ?? split.count));
  const elsewhere = await logitsAndDispose(read(witness.classifier(Math.min(batch, fewer.count))), fewer, dataset);

  const inEngine = await judge(compare(before, after), async (worst) => {
    const image = await imageAt(split, dataset, worst);
    const [whole, cut] = [
      await engineActivations(host, original, image),
      await engineActivations(host, compact, image),
    ];
    return firstDeparture(compact.graph, whole, cut, kept, certificateTolerance);
  });
  // If only this comparison fails, the file or the second engine differs.
  const beside = await judge(compare(firstRows(before, elsewhere.shape[0] ?? 0), elsewhere), async (worst) => {
    const image = await imageAt(split, dataset, worst);
    const exported = await loadOnnx(options.compactFile);
    const [ours, theirs] = [await engineActivations(host, compact, image), await witness.activations(exported, image)];
    return firstDeparture(exported.graph, ours, theirs, new Map(), certificateTolerance);
  });
  return {
    version: 1,
    passed: inEngine.passed && beside.passed,
    tolerance: certificateTolerance,
    dataset: dataset.name,
    images: before.shape[0] ?? 0,
    logitRange: rangeOf(before.data),
    comparisons: [
      { original: `trained network in ${host.name}`, other: `compact network in ${host.name}`, ...inEngine },
      { original: `trained network in ${host.name}`, other: `compact file in ${witness.name}`, ...beside },
    ],
    files: [await fileOf("original", options.originalFile), await fileOf("compact", options.compactFile)],
    engine: { name: host.name, ...host.description },
    witness: witness.name,
    ...optional({ onnxRuntime: witness.version }),
  };
}

/** Throws `UserError("not-exact")`, with the first layer that differs, unless the certificate passed. */
export function requireExact(certificate: Certificate): void {
  requireArguments("requireExact", { certificate: [certificate, "certificate"] });
  const { comparisons } = certificate;
  const failed = comparisons.find(({ passed }) => !passed);
  if (failed === undefined) return;
  const { original, other, images, departure, relativeDifference, otherAnswers } = failed;
  const where =
    departure === undefined
      ? "no single layer differs"
      : `${departure.op} "${departure.layer}" differs first, by ${departure.relativeDifference.toExponential(1)}`;
  throw new UserError("not-exact", `the ${other} does not give the same answers as the ${original}: ${where}`, {
    expected: `logits within ${certificateTolerance} of their range and the same answers on ${images} images`,
    received: `${relativeDifference.toExponential(1)} and ${otherAnswers} different answers`,
    hint: "Do not use the compact network; the trained one is correct. Please report this with the run's folder",
  });
}

function firstRows({ shape, data }: Tensor, rows: number): Tensor {
  const [, columns = 0] = shape;
  return tensor([rows, columns], data.subarray(0, rows * columns));
}

type Judged = Omit<CertificateComparison, "original" | "other">;

async function judge(
  { worstImage, ...comparison }: Comparison,
  findDeparture: (worstImage: number) => Promise<Departure | undefined>,
): Promise<Judged> {
  const passed = comparison.relativeDifference <= certificateTolerance && comparison.otherAnswers === 0;
  if (passed) return { ...comparison, passed };
  const departure = await findDeparture(worstImage);
  return departure === undefined ? { ...comparison, passed } : { ...comparison, passed, departure };
}

async function logitsAndDispose(opening: Promise<Classifier>, split: Split, dataset: Dataset): Promise<Tensor> {
  const classifier = await opening;
  try {
    return (await answersOf(classifier, split, dataset.normalization)).logits;
  } finally {
    await classifier.dispose();
  }
}

/** Image `index` among the readable images of `split`, normalised, `[1,C,H,W]`, with its values for other inputs. */
async function imageAt(split: Split, dataset: Dataset, index: number): Promise<Example> {
  for await (const { images, inputs, start } of evaluationBatches(split, dataset.normalization, 1)) {
    if (start === index) return { image: images, ...optional({ inputs }) };
  }
  throw new InternalError(`test image ${index} is missing`);
}

async function fileOf(name: "original" | "compact", path: string): Promise<Certificate["files"][number]> {
  return { name, path, sha256: await digestOf(path, "sha256", "hex") };
}

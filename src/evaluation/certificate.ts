/**
 * The certificate: the measured proof that cutting changed nothing. The last trained network, with its factors, and the
 * compact one see the same real test images; their logits and answers are compared in our engine, and against a witness
 * (`witness.ts`) on the exported file, so that the engine does not vouch for itself.
 */
import { requireArguments } from "../core/arguments.ts";
import { InternalError, UserError } from "../core/errors.ts";
import { type Tensor, tensor } from "../core/tensor.ts";
import { type Dataset, firstImages, type Split } from "../data/dataset.ts";
import { evaluationBatches } from "../data/evaluation-batches.ts";
import { digestOf } from "../data/files.ts";
import { loadOnnx } from "../formats/onnx/index.ts";
import type { Network } from "../graph/graph.ts";
import { answersOf, type Classifier, engineClassifier, type Host } from "./classifier.ts";
import { type Comparison, compareLogits, rangeOf } from "./comparison.ts";
import { type Departure, engineActivations, firstDeparture } from "./first-divergence.ts";
import { findWitness, type Witness } from "./witness.ts";

/** Largest |Δlogit| allowed, relative to the range of the original's logits. */
export const certificateTolerance = 1e-3;
const defaultImages = 1000;

export interface CertificateOptions {
  /** The last trained network, with its factors, and the file it was written to. */
  readonly original: Network;
  readonly originalFile: string;
  /** What is left after the cut, and the file it was exported to. */
  readonly compact: Network;
  readonly compactFile: string;
  /** Activation of the compact network → the channels of the original's that it still has. */
  readonly kept: ReadonlyMap<string, readonly number[]>;
  readonly host: Host;
  readonly dataset: Dataset;
  /** How many of the first test images are used; default 1,000, or all if there are fewer. */
  readonly images?: number;
  /** Images a batch; default 250. */
  readonly batch?: number;
  /**
   * Logits of the compact network for the first test images, at least so many, if it has been asked for them already.
   */
  readonly compactLogits?: Tensor;
  /** Whether ONNX Runtime is asked beside the engine; default: where it is installed. */
  readonly runtime?: boolean;
}

/** One pair of runs that should give the same; plain JSON. */
export interface CertificateComparison extends Omit<Comparison, "worstImage"> {
  readonly original: string;
  readonly other: string;
  /** Test images that both were asked: fewer than the certificate's where the other is slow. */
  readonly images: number;
  readonly passed: boolean;
  /** The layer that departs first, where the comparison failed and one could be found. */
  readonly departure?: Departure;
}

/** Plain JSON, as stored in `certificate.json`. */
export interface Certificate {
  readonly version: 1;
  readonly passed: boolean;
  readonly tolerance: number;
  readonly dataset: string;
  /** Test images used. */
  readonly images: number;
  /** Largest − smallest logit of the original. */
  readonly logitRange: number;
  readonly comparisons: readonly CertificateComparison[];
  readonly files: readonly { readonly name: "original" | "compact"; readonly path: string; readonly sha256: string }[];
  readonly engine: Readonly<Record<string, string>>;
  /** Who was asked about the exported file beside the engine: "ONNX Runtime", or an engine of ours. */
  readonly witness: string;
  /** Its version, where it was asked. */
  readonly onnxRuntime?: string;
}

/**
 * Measures the certificate of a cut. It is returned whether it holds or not; `requireExact` throws where it does not.
 * Throws `UserError` where a file cannot be read or a network not run, "engine-missing" where ONNX Runtime is asked for
 * and not there.
 */
export async function certify(options: CertificateOptions): Promise<Certificate> {
  requireArguments("certify", { options: [options, "object"] });
  const { original, originalFile, compactFile: file, dataset, kept, images: count } = options;
  requireArguments("certify", {
    ...{ original: [original, "network"], originalFile: [originalFile, "text"], compact: [options.compact, "network"] },
    ...{ compactFile: [file, "text"], kept: [kept, "map"], host: [options.host, "engine"] },
    ...{ dataset: [dataset, "dataset"], images: [count, "whole number?"], batch: [options.batch, "whole number?"] },
  });
  const { compact, compactFile, host, runtime } = options;
  const asked = { compact, compactFile, engine: host.name, ...(runtime === undefined ? {} : { runtime }) };
  const witness = await findWitness(asked);
  try {
    return await certifyBeside(witness, options);
  } finally {
    await witness.dispose();
  }
}

async function certifyBeside(witness: Witness, options: CertificateOptions): Promise<Certificate> {
  const { original, compact, host, dataset, kept, images = defaultImages, batch = 250 } = options;
  const split = firstImages(dataset.test, images);
  const measure = (classifier: Promise<Classifier>): Promise<Tensor> => logitsAndDispose(classifier, split, dataset);
  const before = await measure(engineClassifier(host, original, batch));
  const { compactLogits } = options;
  const after =
    compactLogits === undefined
      ? await measure(engineClassifier(host, compact, batch))
      : firstRows(compactLogits, before.shape[0] ?? 0);
  const fewer = firstImages(split, Math.min(split.count, witness.images ?? split.count));
  const elsewhere = await logitsAndDispose(witness.classifier(Math.min(batch, fewer.count)), fewer, dataset);

  const inEngine = await judge(compareLogits(before, after), async (worst) => {
    const image = await imageAt(split, dataset, worst);
    const [whole, cut] = [
      await engineActivations(host, original, image),
      await engineActivations(host, compact, image),
    ];
    return firstDeparture(compact.graph, whole, cut, kept, certificateTolerance);
  });
  // Given that the engine agrees with itself, the file or the other runtime is what is left to differ.
  const beside = await judge(compareLogits(firstRows(before, elsewhere.shape[0] ?? 0), elsewhere), async (worst) => {
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
    ...(witness.version === undefined ? {} : { onnxRuntime: witness.version }),
  };
}

/** Throws `UserError("not-exact")`, naming the layer that departs first, unless `certificate` holds. */
export function requireExact(certificate: Certificate): void {
  requireArguments("requireExact", { certificate: [certificate, "certificate"] });
  const { comparisons } = certificate;
  const failed = comparisons.find(({ passed }) => !passed);
  if (failed === undefined) return;
  const { original, other, images, departure, relativeDifference, otherAnswers } = failed;
  const where =
    departure === undefined
      ? "no single layer departs by itself"
      : `${departure.op} "${departure.layer}" departs first, by ${departure.relativeDifference.toExponential(1)}`;
  throw new UserError("not-exact", `the ${other} does not give the answers of the ${original}: ${where}`, {
    expected: `logits within ${certificateTolerance} of their range and the same answers on ${images} images`,
    received: `${relativeDifference.toExponential(1)} and ${otherAnswers} other answers`,
    hint: "Do not use the compact network; the trained one is whole. Please report this with the run's folder.",
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

/** Image `index` of `split`, among those that can be read, normalised, `[1,C,H,W]`. */
async function imageAt(split: Split, dataset: Dataset, index: number): Promise<Tensor> {
  for await (const { images, start } of evaluationBatches(split, dataset.normalization, 1)) {
    if (start === index) return images;
  }
  throw new InternalError(`test image ${index} is missing`);
}

async function fileOf(name: "original" | "compact", path: string): Promise<Certificate["files"][number]> {
  return { name, path, sha256: await digestOf(path, "sha256", "hex") };
}

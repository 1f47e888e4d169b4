/** How the outputs of a network agree with the original's, in words. */
import type { NetworkSummary } from "../training/events/events.ts";
import { formatPercent } from "./format.ts";

type OutputAgreement = NonNullable<NetworkSummary["outputs"]>[number];

/** `98.2 % equal answers, 99.1 % of the variance explained, cosine 0.995, 31.2 dB`. */
export function agreementWords({ explained, cosine, psnr, sameAnswers }: OutputAgreement): string {
  return [
    ...(sameAnswers === undefined ? [] : [`${formatPercent(sameAnswers, 2)} equal answers`]),
    explained === null ? "a constant output" : `${formatPercent(100 * explained)} of the variance explained`,
    `cosine ${cosine.toFixed(4)}`,
    psnr === null ? "equal" : `${psnr.toFixed(1)} dB`,
  ].join(", ");
}

/** A line for each output of `after`; none if the run learnt from labels. */
export function agreementLines({ outputs = [] }: NetworkSummary): readonly string[] {
  return outputs.map((output) => `${output.name}: ${agreementWords(output)}`);
}

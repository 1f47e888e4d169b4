/**
 * Networks without batch norms. Exporters merge batch norms into the convolutions in front of them, unless they are
 * told not to. Such a network gives the same answers, but trains far worse.
 */
import type { Graph } from "../../graph/graph.ts";

/** Fewer convolutions train well without batch norms. */
const FEWEST_CONVOLUTIONS = 3;

/** A sentence about a network whose batch norms were probably merged into its convolutions; else undefined. */
export function foldedNormsNote({ nodes }: Graph): string | undefined {
  const convolutions = nodes.filter(({ op }) => op === "convolution");
  const isNormalised = nodes.some(({ op }) => op.endsWith("normalization"));
  // A merged batch norm leaves a bias.
  const isMerged = convolutions.every(({ inputs }) => inputs.length > 2);
  if (isNormalised || !isMerged || convolutions.length < FEWEST_CONVOLUTIONS) return undefined;
  return (
    "The network has no batch norms; its exporter has probably merged them into the convolutions. It trains better " +
    "with them: export it again from PyTorch with training=TrainingMode.PRESERVE and do_constant_folding=False"
  );
}

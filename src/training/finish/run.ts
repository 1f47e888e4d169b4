/** The result of `train`: the trained network, the compact network, and their comparison. */
import type { Certificate } from "../../evaluation/certificate.ts";
import { saveOnnx } from "../../formats/onnx/index.ts";
import type { Graph, Network, Weights } from "../../graph/graph.ts";
import type { NetworkSummary } from "../events/events.ts";

/** A network with the metadata that its file stores about the images it takes. */
export class TrainedNetwork implements Network {
  readonly graph: Graph;
  readonly weights: Weights;
  /** Stored in the ONNX file's metadata: classes and normalisation. */
  readonly metadata: Readonly<Record<string, string>>;

  constructor({ graph, weights }: Network, metadata: Readonly<Record<string, string>>) {
    this.graph = graph;
    this.weights = weights;
    this.metadata = metadata;
  }

  /**
   * Writes the network to `path` as ONNX (opset 17, open batch size), atomically.
   * @throws UserError "no-disk-space", "missing-file" (no such folder) or "bad-file".
   */
  async save(path: string): Promise<void> {
    await saveOnnx(this, path, { metadata: this.metadata });
  }
}

export interface Run {
  /** Absolute path of the run's folder. */
  readonly folder: string;
  readonly name: string;
  /** As trained, with its factors. */
  readonly network: TrainedNetwork;
  /** The network after the cut. It gives the same answers. */
  readonly compact: TrainedNetwork;
  readonly certificate: Certificate;
  /** Accuracy, cost, size and latency of both. */
  readonly before: NetworkSummary;
  readonly after: NetworkSummary;
  /** The compact network on 8-bit integers, if the settings ask for them. Its file is `compact-int8.onnx`. */
  readonly int8?: NetworkSummary;
}

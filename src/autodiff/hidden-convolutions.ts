/** Finds the weights that Muon trains: those of convolutions of one group that do not read the images. */
import { type Graph, type Parameter, producers } from "../graph/graph.ts";

const layers: ReadonlySet<string> = new Set(["convolution", "deconvolution", "linear"]);

/**
 * Names of the weights of all convolutions of `graph` that have one group and read features of another layer. The
 * weights may be read through factors or rounding.
 */
export function hiddenConvolutions(graph: Graph): ReadonlySet<string> {
  const parameters = new Map<string, Parameter>(graph.parameters.map((one) => [one.name, one]));
  const raw = new Set(graph.inputs.map(({ name }) => name));
  const hidden = new Set<string>();
  const shared = new Set<string>();
  const from = producers(graph);
  const behind = (value: string): string => {
    const source = from.get(value)?.inputs[0];
    return source === undefined ? value : behind(source);
  };
  for (const node of graph.nodes) {
    const [src = "", weights = ""] = node.inputs;
    if (!layers.has(node.op)) {
      if (node.inputs.some((input) => raw.has(input))) for (const output of node.outputs) raw.add(output);
      continue;
    }
    const name = behind(weights);
    const isHidden = node.op === "convolution" && node.attributes.groups === 1 && !raw.has(src);
    if (parameters.get(name)?.kind === "weights") (isHidden ? hidden : shared).add(name);
  }
  return new Set([...hidden].filter((name) => !shared.has(name)));
}

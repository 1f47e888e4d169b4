/**
 * Replaces nodes by simpler ones that compute the same, as ONNX defines these ops: `RMSNormalization`, `Swish`,
 * `ReduceLogSum` and `ReduceLogSumExp`.
 */
import {
  attributeMessage,
  attributeTypes,
  floatTensorMessage,
  type NodeMessage,
  smallIntegerTensorMessage,
} from "./proto.ts";

/** Makes the nodes of one node's body. */
class Body {
  readonly nodes: NodeMessage[] = [];
  readonly #name: string;
  readonly #taken: ReadonlySet<string>;

  /** `taken`: the names of the file's values. */
  constructor({ name, output }: NodeMessage, taken: ReadonlySet<string>) {
    this.#name = name !== undefined && name !== "" ? name : (output?.[0] ?? "");
    this.#taken = taken;
  }

  /** The name of the value of a new node; `output` for the last one. */
  add(
    opType: string,
    part: string,
    input: readonly string[],
    attribute: NodeMessage["attribute"] = [],
    output = this.#newName(part),
  ): string {
    this.nodes.push({ opType, name: `${this.#name}/${part}`, input: [...input], output: [output], attribute });
    return output;
  }

  #newName(part: string): string {
    let name = `${this.#name}/${part}`;
    while (this.#taken.has(name)) name = `${name}_`;
    return name;
  }

  number(part: string, value: number): string {
    const t = floatTensorMessage("", [], Float32Array.of(value));
    return this.add("Constant", part, [], [{ name: "value", type: attributeTypes.tensor, t }]);
  }

  integers(part: string, values: readonly number[]): string {
    const t = smallIntegerTensorMessage("", [values.length], Int32Array.from(values));
    return this.add("Constant", part, [], [{ name: "value", type: attributeTypes.tensor, t }]);
  }
}

/** The number of an attribute; some writers leave a 0 away. */
function numberOf({ attribute: all = [] }: NodeMessage, name: string, absent: number): number {
  const found = all?.find((one) => one.name === name);
  return found === undefined ? absent : Number(found.f || found.i || 0);
}

/** Adds the nodes that stand for a node. Returns false if they depend on what is not known yet. */
type BodyRule = (node: NodeMessage, body: Body) => boolean;

/** x / √(mean(x²) + ε) · scale, with means over the axes from `axis` on. */
const rmsNormalization: BodyRule = (node, body) => {
  const [src = "", scale = ""] = node.input ?? [];
  const axis = numberOf(node, "axis", -1);
  // The number of the value's axes is not known here.
  if (axis >= 0) return false;
  const axes = Array.from({ length: -axis }, (_, index) => axis + index);
  const mean = body.add("ReduceMean", "mean", [body.add("Mul", "squares", [src, src]), body.integers("axes", axes)]);
  const raised = body.add("Add", "raised", [mean, body.number("epsilon", numberOf(node, "epsilon", 1e-5))]);
  const normalized = body.add("Div", "normalized", [src, body.add("Sqrt", "root", [raised])]);
  body.add("Mul", "scaled", [normalized, scale], [], node.output?.[0]);
  return true;
};

/** x · sigmoid(αx). */
const swish: BodyRule = (node, body) => {
  const [src = ""] = node.input ?? [];
  const alpha = numberOf(node, "alpha", 1);
  const slope = alpha === 1 ? src : body.add("Mul", "slope", [src, body.number("alpha", alpha)]);
  body.add("Mul", "product", [src, body.add("Sigmoid", "gate", [slope])], [], node.output?.[0]);
  return true;
};

const logOfSum: BodyRule = (node, body) => {
  body.add("Log", "logarithm", [body.add("ReduceSum", "sum", node.input ?? [], node.attribute)], [], node.output?.[0]);
  return true;
};

/** m + log Σ exp(x − m), where m is the maximum, so that no exponential overflows. */
const logOfSumOfExponentials: BodyRule = (node, body) => {
  const [src = "", ...axes] = node.input ?? [];
  const kept = [...(node.attribute ?? []).filter(({ name }) => name !== "keepdims"), attributeMessage("keepdims", 1)];
  const shifted = body.add("Sub", "shifted", [src, body.add("ReduceMax", "peak", [src, ...axes], kept)]);
  const sum = body.add("ReduceSum", "sum", [body.add("Exp", "powers", [shifted]), ...axes], node.attribute);
  const peak = body.add("ReduceMax", "maximum", [src, ...axes], node.attribute);
  body.add("Add", "raised", [body.add("Log", "logarithm", [sum]), peak], [], node.output?.[0]);
  return true;
};

const rules: ReadonlyMap<string, BodyRule> = new Map([
  ["RMSNormalization", rmsNormalization],
  ["Swish", swish],
  ["ReduceLogSum", logOfSum],
  ["ReduceLogSumExp", logOfSumOfExponentials],
]);

/** The ops that are read by their bodies. */
export const bodyOps: readonly string[] = [...rules.keys()];

/** `nodes`, with those replaced that have bodies. */
export function withFunctionBodies(nodes: readonly NodeMessage[]): readonly NodeMessage[] {
  const taken = new Set(nodes.flatMap(({ input = [], output = [] }) => [...input, ...output]));
  return nodes.flatMap((node) => {
    const isStandard = node.domain === undefined || node.domain === "" || node.domain === "ai.onnx";
    const rule = isStandard ? rules.get(node.opType ?? "") : undefined;
    if (rule === undefined) return [node];
    const body = new Body(node, taken);
    return rule(node, body) ? body.nodes : [node];
  });
}

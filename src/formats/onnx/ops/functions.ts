/**
 * ONNX functions of one number ↔ activation: `Elu`, `Selu`, `Softplus`, `Mish`, `Exp`, `Sqrt`, `Pow` and others. Before
 * opset 18 a Mish is written as x · tanh(softplus x), and these three nodes are read as one Mish.
 */

import type { ActivationAttributes } from "../../../graph/attributes.ts";
import type { ForwardNode, Node } from "../../../graph/graph.ts";
import { shortestDecimal } from "../decimal.ts";
import type { NodeReader } from "../node-reader.ts";
import type { ReadContext, ReadRule, WriteContext } from "../rules.ts";

type FunctionName = ActivationAttributes["function"];

/** The functions without attributes, and their names in ONNX. */
const plainNames = {
  erf: "Erf",
  softplus: "Softplus",
  softsign: "Softsign",
  mish: "Mish",
  exponential: "Exp",
  logarithm: "Log",
  absolute: "Abs",
  reciprocal: "Reciprocal",
  square_root: "Sqrt",
} as const satisfies Partial<Record<FunctionName, string>>;
type PlainName = keyof typeof plainNames;

export type FunctionAttributes = Extract<
  ActivationAttributes,
  { function: PlainName | "elu" | "celu" | "selu" | "power" }
>;

/** The opset that has `Mish`. */
const opsetOfMish = 18;

export function writeFunction(
  node: Node<"activation"> & ForwardNode,
  attributes: FunctionAttributes,
  context: WriteContext,
): void {
  const [src = ""] = node.inputs;
  const kept = (attribute: string, value: number): number => {
    context.keepExact(node, attribute, value, shortestDecimal(value));
    return value;
  };
  switch (attributes.function) {
    case "elu":
      context.write("Elu", node, [src], { alpha: { float: kept("alpha", attributes.alpha) } });
      return;
    case "celu":
      context.write("Celu", node, [src], { alpha: { float: kept("alpha", attributes.alpha) } });
      return;
    case "selu":
      context.write("Selu", node, [src], {
        alpha: { float: kept("alpha", attributes.alpha) },
        gamma: { float: kept("gamma", attributes.gamma) },
      });
      return;
    case "power": {
      const exponent = context.scalar(`${node.name}/exponent`, kept("exponent", attributes.exponent));
      context.write("Pow", node, [src, exponent]);
      return;
    }
    case "mish": {
      if (context.opset >= opsetOfMish) {
        context.write("Mish", node, [src]);
        return;
      }
      const softplus = context.helper("Softplus", `${node.name}/softplus`, [src]);
      context.write("Mul", node, [src, context.helper("Tanh", `${node.name}/tanh`, [softplus])]);
      return;
    }
    default:
      context.write(plainNames[attributes.function], node, [src]);
  }
}

/** Whether `gate` is tanh(softplus `src`), so that their product is a Mish. */
export function isMish(context: ReadContext, src: string, gate: string): boolean {
  const source = (value: string, name: FunctionName): string | undefined => {
    const node = context.producer(value);
    return node?.op === "activation" && node.attributes.function === name ? node.inputs[0] : undefined;
  };
  return source(source(gate, "tanh") ?? "", "softplus") === src;
}

function readPlain(name: PlainName): ReadRule {
  return (node, context) => {
    context.add(node, "activation", [node.input(0)], { function: name });
  };
}

/** The float attribute `name`. */
function readFloat(node: NodeReader, context: ReadContext, name: string, absent: number): number {
  return context.exact(node, name, shortestDecimal(node.float(name, absent)), shortestDecimal);
}

const readElu: ReadRule = (node, context) => {
  context.add(node, "activation", [node.input(0)], { function: "elu", alpha: readFloat(node, context, "alpha", 1) });
};

const readCelu: ReadRule = (node, context) => {
  const alpha = readFloat(node, context, "alpha", 1);
  node.check(alpha > 0, "its alpha is not positive", "more than 0", `${alpha}`);
  context.add(node, "activation", [node.input(0)], { function: "celu", alpha });
};

/** The defaults of `Selu` in ONNX. */
const selu = { alpha: 1.67326319, gamma: 1.05070102 } as const;

const readSelu: ReadRule = (node, context) => {
  const alpha = readFloat(node, context, "alpha", selu.alpha);
  const gamma = readFloat(node, context, "gamma", selu.gamma);
  context.add(node, "activation", [node.input(0)], { function: "selu", alpha, gamma });
};

/** A power with a constant exponent. */
const readPow: ReadRule = (node, context) => {
  const [src, power] = [node.input(0), node.input(1)];
  node.check(!context.isConstant(src), "takes a power of a constant");
  const { values, dims } = context.constant(power) ?? {};
  const [exponent] = values ?? [];
  const isNumber = values?.length === 1 && (dims?.length ?? 0) <= context.shape(src).length;
  if (!isNumber || typeof exponent !== "number") throw node.unsupported("its exponent is not one constant number");
  context.add(node, "activation", [src], {
    function: "power",
    exponent: context.exact(node, "exponent", shortestDecimal(exponent), shortestDecimal),
  });
};

const readNeg: ReadRule = (node, context) => {
  context.add(node, "activation", [node.input(0)], { function: "linear", slope: -1, offset: 0 });
};

/** By ONNX op: how it is read. */
export const functionRules: readonly (readonly [opType: string, rule: ReadRule])[] = [
  ...(Object.entries(plainNames) as [PlainName, string][]).map(([name, opType]) => [opType, readPlain(name)] as const),
  ["Celu", readCelu],
  ["Elu", readElu],
  ["Neg", readNeg],
  ["Pow", readPow],
  ["Selu", readSelu],
];

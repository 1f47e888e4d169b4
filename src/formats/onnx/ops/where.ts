/** ONNX `Where` with a constant condition → limits, as binary or clip. */
import { type Shape, tensor } from "../../../core/tensor.ts";
import { aligned, broadcastIndex } from "../folding/broadcast.ts";
import type { ReadRule, Step } from "../rules.ts";
import { combineValues, LARGEST, limit } from "./binary.ts";

/**
 * Selects by a constant condition. Limits do it exactly: where the condition asks for the other operand, which is a
 * number k, the limits of the value are k … k; elsewhere they are all numbers. Of two values, each is limited to zeros
 * where the other one is asked for, and both are added.
 */
export const readWhere: ReadRule = (node, context) => {
  const [condition, first, second] = [node.input(0), node.input(1), node.input(2)];
  const asks = context.constant(condition);
  if (asks === undefined) throw node.unsupported("selects by a condition that is computed from the images");
  const limited = (src: string, other: string | undefined, wanted: boolean, part: string | undefined): string => {
    const shape = context.shape(src);
    const numbers = other === undefined ? undefined : context.constant(other);
    node.check(other === undefined || numbers?.type === "float", "selects a constant that is not of floats");
    const constants = [asks.dims, numbers?.dims ?? []];
    const dims = constants.reduce<Shape>((all, own) => {
      const [a, b] = [aligned(all, shape.length), aligned(own, shape.length)];
      return a.map((size, axis) => Math.max(size, b[axis] ?? 1));
    }, []);
    // A constant with more axes would add axes to the value.
    const fits = constants.every(({ length }) => length <= shape.length) && dims[0] === 1;
    node.check(fits, "selects with a constant that does not fit the value");
    const [inAsked, inNumbers] = [broadcastIndex(asks.dims, dims), broadcastIndex(numbers?.dims ?? [], dims)];
    const limits = (free: number): Float32Array =>
      Float32Array.from({ length: dims.reduce((product, size) => product * size, 1) }, (_, index) => {
        if ((asks.values[inAsked(index)] !== 0) === wanted) return free;
        const number = Number(numbers?.values[inNumbers(index)] ?? 0);
        return Math.min(LARGEST, Math.max(-LARGEST, number));
      });
    const parameter = (role: string, values: Float32Array): string =>
      context.derived(node, condition, role, tensor(dims.slice(1), values));
    const name = part === undefined ? "" : `${part}.`;
    const within = (of: string, side: "maximum" | "minimum", role: string, step: Step | undefined): string => {
      const values = limits(side === "maximum" ? -LARGEST : LARGEST);
      const [bound = 0] = values;
      if (values.every((value) => value === bound)) return limit(node, context, side, { src: of, bound }, step);
      return context.add(node, "binary", [of, parameter(`${name}${role}`, values)], { function: side }, step);
    };
    const above = within(src, "maximum", "lowest", { part: `${name}above` });
    return within(above, "minimum", "highest", part === undefined ? undefined : { part });
  };
  const [isFirst, isSecond] = [first, second].map((input) => !context.isConstant(input));
  if (isFirst && isSecond) {
    const parts = [limited(first, undefined, true, "first"), limited(second, undefined, false, "second")] as const;
    combineValues(node, context, "add", parts);
  } else if (isFirst) limited(first, second, true, undefined);
  else limited(second, first, false, undefined);
};

/** Reads functions of arranged values, number by number: of one value, with constants, and of two values. */
import { elementCount } from "../../../core/tensor.ts";
import { elementwise } from "../channels-last-inputs.ts";
import { aligned } from "../folding/broadcast.ts";
import { rearranged, scalarConstant } from "../folding/constant.ts";
import { type Arrangement, type Axis, batch, dimsOf, extentOf, type Factor, sameAxis, unified } from "./arrangement.ts";
import { permutedIndex } from "./arranger.ts";
import { type ArrangedContext, type ArrangedRule, declare, divisions } from "./rule.ts";

/** The constant `name` as one that broadcasts with the source of `arrangement`; undefined if that needs copies. */
function beside(
  { node, reader }: ArrangedContext,
  arrangement: Arrangement,
  name: string,
): { readonly inner: readonly Axis[]; readonly constant: string } | undefined {
  const stored = reader.constant(name);
  if (stored === undefined) return undefined;
  if (stored.dims.length > arrangement.axes.length) return undefined;
  if (elementCount(stored.dims) === 1) {
    const [value = 0] = stored.values;
    const constant = stored.dims.length === 0 ? name : reader.declareNew(name, scalarConstant(stored.type, value));
    return { inner: arrangement.inner, constant };
  }
  const { axes } = arrangement;
  const dims = aligned(stored.dims, axes.length);
  const own = dimsOf(axes);
  const fits = dims.every((size, place) => size === 1 || (size === own[place] && !axes[place]?.includes(batch)));
  if (dims.length !== axes.length || !fits) return undefined;
  const varied = new Set<Factor>(axes.flatMap((axis, place) => (dims[place] === 1 ? [] : axis)));
  const inner = divisions(arrangement.inner, (factor) => varied.has(factor));
  const from = axes.flat().filter((factor) => varied.has(factor));
  const to = inner.flat().filter((factor) => varied.has(factor));
  const shape = inner.map((axis): number => (axis.some((factor) => varied.has(factor)) ? extentOf(axis) : 1));
  const isInOrder = sameAxis(from, to);
  const mayBeView = isInOrder && (node.opType === "Add" || node.opType === "Mul");
  if (mayBeView) {
    const view = reader.newName(`${name}/of_${node.name}`);
    reader.declareView(view, { source: reader.view(name)?.source ?? name, dims: shape, indices: undefined });
    return { inner, constant: view };
  }
  const constant = rearranged(stored, shape, isInOrder ? (index) => index : permutedIndex(from, to));
  const made = reader.declareNew(`${name}/of_${node.name}`, constant);
  if (reader.computed.has(name)) reader.computed.add(made);
  return { inner, constant: made };
}

/** Of one value and constants, one of which may have several numbers. */
function withConstants(context: ArrangedContext, value: string): boolean {
  const { node, arranger, reader } = context;
  const arrangement = arranger.of(value);
  const constants = node.inputs.map((input) =>
    input === "" || input === value ? undefined : beside(context, arrangement, input),
  );
  if (node.inputs.some((input, index) => input !== "" && input !== value && constants[index] === undefined))
    return false;
  const wide = constants.filter((one) => one !== undefined && elementCount(reader.shape(one.constant)) > 1);
  if (wide.length > 1) return false;
  const inner = wide[0]?.inner ?? arrangement.inner;
  const { source } = arranger.ordered(node, arrangement, inner);
  const input = node.inputs.map((own, index) => (own === value ? source : (constants[index]?.constant ?? "")));
  const made = context.as({ input });
  return declare(context, { source: made, inner, axes: arrangement.axes });
}

/** The factors of `axis` that are among `all`. */
function ofOperand(axis: Axis, all: ReadonlySet<Factor>): Axis {
  return axis.filter((factor) => all.has(factor));
}

function ofValues(context: ArrangedContext, left: string, right: string): boolean {
  const { node, arranger } = context;
  const [a, b] = [arranger.of(left), arranger.of(right)];
  const rank = Math.max(a.axes.length, b.axes.length);
  const lined = (arrangement: Arrangement): Arrangement => {
    const ones: Axis[] = Array.from({ length: rank - arrangement.axes.length }, () => []);
    return { ...arrangement, axes: [...ones, ...arrangement.axes] };
  };
  const found = unified(
    lined(a),
    lined(b),
    Array.from({ length: rank }, (_, axis) => [axis, axis] as const),
  );
  if (found === undefined) return false;
  const factors = (arrangement: Arrangement): Set<Factor> => new Set(arrangement.inner.flat());
  const [ofA, ofB] = [factors(found.a), factors(found.b)];
  const isWhole = [...ofB].every((factor) => ofA.has(factor));
  if (!isWhole && ![...ofA].every((factor) => ofB.has(factor))) return false;
  const [whole, part] = isWhole ? [found.a, found.b] : [found.b, found.a];
  const common = isWhole ? ofB : ofA;
  const inner = divisions(whole.inner, (factor) => common.has(factor));
  const large = arranger.ordered(node, whole, inner).source;
  const small = arranger.ordered(
    node,
    part,
    inner.map((axis) => ofOperand(axis, common)),
  ).source;
  const made = context.as({ input: isWhole ? [large, small] : [small, large] });
  return declare(context, { source: made, inner, axes: whole.axes });
}

const pointwise: ArrangedRule = (context) => {
  const { node, reader } = context;
  const inputs = node.inputs.filter((input) => input !== "");
  const values = [...new Set(inputs.filter((input) => !reader.isConstant(input)))];
  const [first = "", second = "", ...others] = values;
  if (values.length === 1) return withConstants(context, first);
  const [left = "", right = ""] = inputs;
  return others.length === 0 && inputs.length === 2 && second !== "" && ofValues(context, left, right);
};

export const functions: readonly (readonly [opType: string, rule: ArrangedRule])[] = [
  ...[...elementwise, "Identity", "Dropout", "Cast"].map((opType) => [opType, pointwise] as const),
];

/** Reads `Einsum` of two operands as a product with weights or of two values, and of one operand as a transpose. */
import { elementCount } from "../../../core/tensor.ts";
import { type Arrangement, type Axis, axisOf as axisSpanning, batch, extentOf, unified } from "./arrangement.ts";
import { permutedIndex } from "./arranger.ts";
import { applied, productOfValues } from "./products.ts";
import { type ArrangedContext, type ArrangedRule, declare, hasBatch } from "./rule.ts";

interface Equation {
  readonly operands: readonly (readonly string[])[];
  readonly result: readonly string[];
}

const LETTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"];

/**
 * The letters of an equation for operands with these numbers of axes. Undefined if a letter stands twice in an operand,
 * or if the numbers do not fit.
 */
function equationOf(text: string, ranks: readonly number[]): Equation | undefined {
  const [left = "", right] = text.replaceAll(/\s/g, "").split("->");
  const terms = left.split(",");
  const letters = (term: string): string => term.replace("...", "");
  const hidden = terms.map((term, at) => (term.includes("...") ? (ranks[at] ?? 0) - letters(term).length : 0));
  // Letters of the axes that an ellipsis stands for.
  const own = LETTERS.filter((letter) => !text.includes(letter)).slice(0, Math.max(...hidden));
  if (hidden.some((count) => count < 0 || count > own.length)) return undefined;
  // An operand with fewer such axes has the last ones.
  const whole = (term: string, count: number): readonly string[] => [
    ...term.replace("...", own.slice(own.length - count).join("")),
  ];
  const operands = terms.map((term, at) => whole(term, hidden[at] ?? 0));
  const all = terms.flatMap((term) => [...letters(term)]);
  const implied = [...new Set(all)].filter((letter) => all.filter((one) => one === letter).length === 1).toSorted();
  const result = right === undefined ? [...own, ...implied] : whole(right, own.length);
  const isPlain = [...operands, result].every((axes) => new Set(axes).size === axes.length && !axes.includes("."));
  return isPlain ? { operands, result } : undefined;
}

const only = (letters: readonly string[], others: readonly string[]): readonly string[] =>
  letters.filter((letter) => !others.includes(letter));

/** Of two values: letters of both are axes in front of the matrices, or are summed over. */
function ofValues(context: ArrangedContext, { operands, result }: Equation): boolean {
  const { node, arranger } = context;
  const [inA = [], inB = []] = operands;
  const [left, right] = [arranger.of(node.input(0)), arranger.of(node.input(1))];
  const common = inA.filter((letter) => inB.includes(letter));
  const found = unified(
    left,
    right,
    common.map((letter) => [inA.indexOf(letter), inB.indexOf(letter)] as const),
  );
  if (found === undefined || left.axes.length !== inA.length || right.axes.length !== inB.length) return false;
  const axisOf = (arrangement: Arrangement, letters: readonly string[], letter: string): Axis =>
    arrangement.axes[letters.indexOf(letter)] ?? [];
  const along = (letters: readonly string[], arrangement: Arrangement, own: readonly string[]): Axis =>
    letters.flatMap((letter) => axisOf(arrangement, own, letter));
  const summed = only(common, result);
  const isSummedAlone = [...only(inA, inB), ...only(inB, inA)].some((letter) => !result.includes(letter));
  const outer = along(only(common, summed), found.a, inA);
  if (isSummedAlone || !outer.includes(batch)) return false;
  const free = only(inB, inA);
  const old = along(free, found.b, inB);
  const { columns, ...product } = productOfValues(context, found.a, found.b, {
    outer: outer.filter((factor) => factor !== batch),
    rows: along(only(inA, inB), found.a, inA),
    inside: along(summed, found.a, inA),
    columns: old,
  });
  const axes = result.map((letter) =>
    inA.includes(letter)
      ? axisOf(found.a, inA, letter)
      : axisOf(found.b, inB, letter).map((factor) => columns[old.indexOf(factor)] ?? factor),
  );
  return declare(context, { ...product, axes });
}

/** By weights: letters of both operands are summed over, the others of the weights are outputs. */
function byWeights(context: ArrangedContext, { operands, result }: Equation, constantAt: 0 | 1): boolean {
  const { node, reader, arranger } = context;
  const [own = [], letters = []] = [operands[1 - constantAt], operands[constantAt]];
  const name = node.input(constantAt);
  const arrangement = arranger.of(node.input(1 - constantAt));
  const { dims = [], values } = reader.constant(name) ?? {};
  const summed = letters.filter((letter) => own.includes(letter));
  const outputs = only(letters, own);
  const isRight =
    !summed.some((letter) => result.includes(letter)) &&
    outputs.every((letter) => result.includes(letter)) &&
    only(own, letters).every((letter) => result.includes(letter));
  if (!isRight || summed.length === 0 || dims.length !== letters.length || !(values instanceof Float32Array))
    return false;
  const axisOf = (letter: string): Axis => arrangement.axes[own.indexOf(letter)] ?? [];
  const sizeOf = (letter: string): number => dims[letters.indexOf(letter)] ?? 1;
  const fits = summed.every((letter) => sizeOf(letter) === extentOf(axisOf(letter)));
  if (!fits || summed.some((letter) => hasBatch(axisOf(letter)))) return false;
  // One factor for each letter of the weights, to put their numbers into another order.
  const factors = new Map(letters.map((letter) => [letter, { extent: sizeOf(letter) }] as const));
  const ofWeights = (chosen: readonly string[]): Axis => chosen.flatMap((letter) => factors.get(letter) ?? []);
  const index = permutedIndex(ofWeights(letters), ofWeights([...outputs, ...summed]));
  const count = (chosen: readonly string[]): number => elementCount(chosen.map(sizeOf));
  const made = applied(context, arrangement, summed.flatMap(axisOf), {
    constant: name,
    values: Float32Array.from(values, (_, to) => values[index(to)] ?? 0),
    outputs: count(outputs),
    inputs: count(summed),
  });
  const split = new Map(outputs.map((letter) => [letter, axisSpanning(sizeOf(letter))] as const));
  const inner = made.inner.with(0, [...split.values()].flat());
  return declare(context, {
    source: made.source,
    inner,
    axes: result.map((letter) => split.get(letter) ?? axisOf(letter)),
  });
}

export const einsum: ArrangedRule = (context) => {
  const { node, reader, arranger } = context;
  const ranks = node.inputs.map((input) =>
    reader.isConstant(input) ? reader.shape(input).length : arranger.of(input).axes.length,
  );
  const equation = equationOf(node.string("equation", ""), ranks);
  if (equation === undefined || equation.operands.length !== node.inputs.length) return false;
  const { operands, result } = equation;
  if (operands.length === 1) {
    const arrangement = arranger.of(node.input(0));
    const [own = []] = operands;
    if (only(own, result).length > 0) return false;
    return declare(context, {
      ...arrangement,
      axes: result.map((letter) => arrangement.axes[own.indexOf(letter)] ?? []),
    });
  }
  if (operands.length !== 2) return false;
  const isConstant = node.inputs.map((input) => reader.isConstant(input));
  if (isConstant.includes(true)) return byWeights(context, equation, isConstant[0] === true ? 0 : 1);
  return ofValues(context, equation);
};
